"""One line of `invoke doctor`: what was looked at, what was seen, what to do. No AWS."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from common.errors import PipelineError
from deploy.plan.finding import Finding

State = Literal["pass", "warning", "fail"]


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


def examine(looks: Iterable[tuple[str, Look]]) -> Iterator[Diagnosis]:
    """Yield what each look finds; one that raises PipelineError fails, and stops no other."""
    for name, look in looks:
        try:
            yield from look()
        except PipelineError as error:
            yield Diagnosis(name, "fail", error.message, error.hint)


def of_findings(name: str, findings: tuple[Finding, ...], seen: str) -> Iterator[Diagnosis]:
    """Yield preflight's findings; ``seen`` is what passed when there are none."""
    if not findings:
        yield Diagnosis(name, "pass", seen)
    for finding in findings:
        yield Diagnosis(name, "fail" if finding.fatal else "warning", finding.words, finding.hint)
