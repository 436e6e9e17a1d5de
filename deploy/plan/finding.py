"""What preflight reports. No AWS."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something to know before deploying; ``hint`` says what to do about it."""

    words: str
    hint: str = ""
    fatal: bool = False
