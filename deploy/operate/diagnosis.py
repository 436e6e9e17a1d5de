"""One line of `invoke doctor`: what was looked at, what was seen, what to do. No AWS."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from common.errors import Denied, PipelineError
from deploy.plan.finding import Finding

# Skipped: the caller may not look, which says nothing of the account.
State = Literal["pass", "warning", "fail", "skipped"]


@dataclass(frozen=True)
class Diagnosis:
    """What one look has found."""

    name: str
    state: State
    seen: str
    hint: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<8}{self.name}: {self.seen}"
        return f"{line}\n          → {self.hint}" if self.hint else line


Look = Callable[[], Iterable[Diagnosis]]


def examine(looks: Iterable[tuple[str, Look]], *, others: str = "") -> Iterator[Diagnosis]:
    """Yield what each look finds; one that raises PipelineError fails, and stops no other.

    ``others`` says who may make these looks, where the caller need not: what AWS denies is skipped.
    """
    for name, look in looks:
        try:
            yield from look()
        except PipelineError as error:
            if others and isinstance(error, Denied):
                seen = f"not looked, as these credentials may not: {error.message}"
                yield Diagnosis(name, "skipped", seen, others)
            else:
                yield Diagnosis(name, "fail", error.message, error.hint)


def of_findings(name: str, findings: tuple[Finding, ...], seen: str) -> Iterator[Diagnosis]:
    """Yield preflight's findings; ``seen`` is what passed when there are none."""
    if not findings:
        yield Diagnosis(name, "pass", seen)
    for finding in findings:
        yield Diagnosis(name, "fail" if finding.fatal else "warning", finding.words, finding.hint)
