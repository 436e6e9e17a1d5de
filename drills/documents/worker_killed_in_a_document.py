"""One of the workers is killed while each is in the middle of a document of 300 pages.

In the field: a host fails, or the kernel ends what took too much memory.
Must hold: its claim and its message lapse, another worker reads the document from its beginning,
and what the first one wrote is never answered from. Nothing is lost or twice.
Runbook: docs/runbooks/documents.md
"""

from deploy.documents.pipeline import plainly
from documents.control.vector_sets import WRITING
from drills.documents.kit.local_faults import kill_tasks
from drills.documents.kit.under_test import WORKERS as SERVICE
from drills.documents.kit.under_test import PipelineUnderTest

WORKERS = 2
WITHIN = 480.0
LOCAL_ONLY = "ECS has no call that kills a task without SIGTERM"
PAGES = 300
BEGUN_WITHIN = 120.0


def run(pipeline: PipelineUnderTest) -> None:
    """Give each worker a document, and kill one worker once both have written vectors."""
    tasks = pipeline.tasks(SERVICE)
    documents = [pipeline.client.document(PAGES) for _ in tasks]
    for one in documents:
        pipeline.client.add(one)

    def written() -> int:
        with plainly("reading the control table"):
            listing = pipeline.pipeline.access(pipeline.clients).listing
            sets = list(listing.with_status(WRITING))
        names = {one["object"].rpartition("/")[2] for one in sets if one["reserved"] > 0}
        return len(names & {one.name for one in documents})

    pipeline.await_that(
        "workers in the documents",
        lambda: written() == len(tasks),
        BEGUN_WITHIN,
        lambda: f"{written()} of {len(tasks)}",
    )
    kill_tasks(pipeline, tasks[:1])
