"""What a person sees: live on a terminal, plain and quiet otherwise. Used by tasks.py alone."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Show that ``title`` goes on, and how long it took; yields a function for words on the way.

    On a terminal the latest words stand beside a spinner; elsewhere each new words are a line.
    """
    began = time.monotonic()
    if console.is_terminal:
        with console.status(title) as status:
            yield lambda words: status.update(f"{title} [dim]{_plain(words)}[/dim]")
    else:
        yield _lines(title)
    console.print(f"[green]✓[/green] {title} [dim]{time.monotonic() - began:.1f} s[/dim]")


def _lines(title: str) -> Callable[[str], None]:
    last = ""

    def tell(words: str) -> None:
        nonlocal last
        if words != last:
            last = words
            console.print(f"  {title}: {_plain(words)}", soft_wrap=True)

    return tell


def _plain(words: str) -> str:
    return words.replace("[", r"\[")


def table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print rows of text under their column names."""
    sheet = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        sheet.add_row(*(_plain(cell) for cell in row))
    console.print(sheet)


def confirm(question: str) -> bool:
    """Ask; anything but yes, and no terminal to answer on, is no."""
    if not console.is_terminal:
        return False
    return console.input(f"{question} \\[y/N] ").strip().lower() in ("y", "yes")
