"""The example environments, and what a person fills in."""

import re
from itertools import count
from pathlib import Path

from common.environment import FOLDER, Environment, load_environment

EXAMPLES = FOLDER / "examples"
NAMES = (
    *("arm64", "cpu", "cpu-and-gpu-spot"),
    *("existing-vpc", "smallest", "training"),
)
# By the beginning of the words that follow FILL-IN.
VALUES = {
    "12 digits": ("123456789012",),
    "vpc-": ("vpc-0123456789abcdef0",),
    "subnet-": ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1", "subnet-0123456789abcdef2"),
    "sg-": ("sg-0123456789abcdef0",),
    "fs-": ("fs-0123456789abcdef0",),
    "bucket": ("training/data/*", "results/run/*"),
    "a zone": ("us-east-1a",),
    "the address": ("on-call@example.org",),
    "the name of your private": ("ray.example.internal",),
    "its id, Z": ("Z0123456789ABCDEFGHIJ",),
}
PLACEHOLDER = re.compile(r'"FILL-IN: ([^"]*)"')


def filled_in(text: str, values: dict[str, tuple[str, ...]] | None = None) -> str:
    """Return an example with each FILL-IN replaced, one value after the other."""
    known = VALUES | (values or {})
    turn = {words: count() for words in known}

    def value(match: re.Match[str]) -> str:
        (words,) = (words for words in known if match[1].startswith(words))
        return f'"{known[words][next(turn[words])]}"'

    return PLACEHOLDER.sub(value, text)


def load_filled(
    name: str, folder: Path, values: dict[str, tuple[str, ...]] | None = None
) -> Environment:
    """Return the environment that a filled-in copy of an example describes."""
    text = (EXAMPLES / f"{name}.toml").read_text("utf-8")
    (folder / f"{name}.toml").write_text(filled_in(text, values), "utf-8")
    return load_environment(name, folder)
