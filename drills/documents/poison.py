"""A PDF of each hostile kind is added: cut off, locked, a gigabyte when unpacked, without an end.

In the field: uploads that broke off, files of strangers.
Must hold: each fails alone, with its reason, below ``failed/``; the others are answered from.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.poison import poison
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 420.0


def run(pipeline: PipelineUnderTest) -> None:
    """Add them, and wait until each has failed with its reason."""
    bad = {f"poison-{name}": said for name, said in poison().items()}
    for name, (content, _) in bad.items():
        pipeline.put(name, content)
    pipeline.record_fault(f"added {', '.join(bad)}")
    began, failed = pipeline.clock.now(), dict[str, str]()

    def have_failed() -> bool:
        failed.update(pipeline.failed(list(bad)))
        return len(failed) == len(bad)

    pipeline.await_that("all poison to fail", have_failed, WITHIN, lambda: str(sorted(failed)))
    pipeline.figures["all poison failed"] = pipeline.clock.now() - began
    for name, (_, reason) in bad.items():
        pipeline.expect(
            bool(failed[name]) and reason in failed[name],
            f"{name} failed with {failed[name]!r}, which does not say {reason!r}",
        )
