"""What preflight reports. No AWS."""

from collections.abc import Iterable
from dataclasses import dataclass

from common.errors import Refused


@dataclass(frozen=True)
class Finding:
    """Something to know before deploying; ``hint`` says what to do about it."""

    words: str
    hint: str = ""
    fatal: bool = False


def refuse_fatal(what: str, findings: Iterable[Finding]) -> None:
    """Raise Refused, with all that would make a deploy of ``what`` fail."""
    if fatal := [finding for finding in findings if finding.fatal]:
        raise Refused(
            f"{what} cannot be deployed:\n" + "\n".join(f"  {one.words}" for one in fatal),
            hint="; ".join(dict.fromkeys(one.hint for one in fatal)),
        )
