"""Invoke, where a task may take any number of words: ``documents.add A B``.

Invoke gives a task as many words as it has arguments without a default; an option may be missing,
or given again and again (docs.pyinvoke.org/en/stable/concepts/invoking-tasks.html). So here each
word after such a task is its option. ``run.sh`` starts this; plain ``invoke`` takes the options.
"""

from copy import deepcopy

from invoke.collection import Collection
from invoke.program import Program

# A task to the option that its words are.
WORDS = {
    "documents.add": "--file",
    "documents.retry": "--name",
    "images.compare": "--ami",
    "probe": "--name",
}


class Menu(Program):
    """Invoke's program, over this folder's tasks.py."""

    def parse_tasks(self) -> None:
        """Turn words into options, then parse."""
        self.core.unparsed[:] = as_options(self.core.unparsed, self.collection)
        super().parse_tasks()


def as_options(tokens: list[str], tasks: Collection) -> list[str]:
    """Return a command line in which the words of the tasks in ``WORDS`` are options."""
    found, option, valued, is_value = list[str](), "", set[str](), False
    for word in tokens:
        if word in WORDS and not is_value:
            option, valued = WORDS[word], _valued(tasks, word)
        elif option and not is_value and not word.startswith("-"):
            found.append(option)
        is_value = word in valued
        found.append(word)
    return found


def _valued(tasks: Collection, name: str) -> set[str]:
    """Return the options of a task that a value follows."""
    task = deepcopy(tasks[name])  # get_arguments takes the help out of it
    names = [name for one in task.get_arguments() if one.takes_value for name in one.names]
    return {f"--{name}" if len(name) > 1 else f"-{name}" for name in names}


if __name__ == "__main__":
    Menu(name="invoke", binary="invoke").run()
