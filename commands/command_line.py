"""Invoke's command line, where a task may take any number of words, and asks for help anywhere.

Invoke gives a task as many words as it has arguments without a default; an option may be missing,
or given again and again (docs.pyinvoke.org/en/stable/concepts/invoking-tasks.html). So here each
word after a task of ``WORDS`` is its option. And whatever follows a task that lacks an argument is
that argument for invoke, an option too: here it is help, or a mistake.
"""

import re
import sys
from collections.abc import Iterator
from copy import deepcopy
from io import TextIOWrapper
from typing import NamedTuple

from invoke.collection import Collection
from invoke.exceptions import ParseError
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.program import Program

# A task to the option that its words are.
WORDS = {
    "documents.add": "--file",
    "documents.retry": "--name",
    "images.compare": "--ami",
    "probe": "--name",
}
HELP = ("--help", "-h")
OPTION = re.compile(r"--?[a-z][a-z-]*(=.*)?", re.DOTALL)
# What looks like an option, and is an argument.
ARGUMENTS = {("drill", "--list"), ("drill.run", "--list")}


class Place(NamedTuple):
    """A word of a command line: the task that it follows, and what it is there.

    A loose word is neither an option nor an option's value; a stray one is an option that the task
    has not, and that invoke would take for an argument.
    """

    word: str
    task: str
    loose: bool = False
    stray: bool = False


def begin(program: Program, tasks: Collection) -> None:
    """Begin with a program that has read its own options only: with all else as it is meant here.

    What it prints, the encoding of stdout may lack: that is escaped, as Python does on stderr.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    tokens = program.core.unparsed
    if task := help_wanted(tokens, tasks):
        program.args.help.value = task
        tokens.clear()
    tokens[:] = as_options(tokens, tasks)


def help_wanted(tokens: list[str], tasks: Collection) -> str:
    """Return the task that a command line asks for help about, wherever it does; or nothing."""
    places = _places(tokens, tasks)
    return next((place.task for place in places if place.task and place.word in HELP), "")


def as_options(tokens: list[str], tasks: Collection) -> list[str]:
    """Return a command line in which the words of the tasks in ``WORDS`` are options.

    Raises ParseError, which invoke prints, for an option that a task has not.
    """
    found = list[str]()
    for word, task, loose, stray in _places(tokens, tasks):
        if stray:
            raise ParseError(f"{task} has no option {word}")
        found += [WORDS[task], word] if loose and task in WORDS else [word]
    return found


def _places(tokens: list[str], tasks: Collection) -> Iterator[Place]:
    """Yield each word with its place; the name of a task has none."""
    names = {name for task, more in tasks.task_names.items() for name in (task, *more)}
    context, waiting = ParserContext(""), None
    for word in tokens:
        loose = not waiting and not word.startswith("-")
        takes_all = context.name in WORDS or context.missing_positional_args
        if loose and word in names and not takes_all:
            # get_arguments takes the help out of a task.
            context = ParserContext(word, args=deepcopy(tasks[word]).get_arguments())
            yield Place(word, "")
        else:
            stray = not waiting and _is_stray(context, word)
            yield Place(word, context.name or "", loose, stray)
            waiting = _take(context, word, waiting)


def _is_stray(context: ParserContext, word: str) -> bool:
    flag = word.partition("=")[0]
    is_known = flag in context.flags or flag in context.inverse_flags
    is_argument = not is_known and bool(context.missing_positional_args)
    return is_argument and bool(OPTION.fullmatch(word)) and (context.name, word) not in ARGUMENTS


def _take(context: ParserContext, word: str, waiting: Argument | None) -> Argument | None:
    """Give a task a word as invoke does; return the option that waits for the next one."""
    flag, equals, _ = word.partition("=")
    if not waiting and flag in context.inverse_flags:
        return None
    if not waiting and flag in context.flags:
        waiting = context.flags[flag]
        if waiting.takes_value and not equals:
            return waiting
    argument = waiting or next(iter(context.missing_positional_args), None)
    if argument:
        argument.set_value(word, cast=False)
    return None
