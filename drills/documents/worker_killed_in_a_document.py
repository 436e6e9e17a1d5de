"""One of the workers is killed while every consumer is in the middle of a document of 300 pages.

In the field: a host fails, or the kernel ends what took too much memory.
Must hold: its claim and its message lapse, another worker reads the document from its beginning,
and what the first one wrote is never answered from. Nothing is lost or twice.
Runbook: docs/runbooks/documents.md
"""

from deploy.documents.in_use import ray_of_pipeline
from deploy.documents.pipeline import plainly
from documents.control.vector_sets import WRITING
from drills.documents.kit.local_faults import kill
from drills.documents.kit.under_test import PipelineUnderTest

WORKERS = 2
WITHIN = 480.0
LOCAL_ONLY = "AWS has no call that kills a task, or cuts an instance's power"
CONSUMER = "consumer-"  # an actor's name begins with it
PAGES = 300
BEGUN_WITHIN = 120.0


def run(pipeline: PipelineUnderTest) -> None:
    """Give each consumer a document, and kill one worker once all have written vectors."""
    actors = ray_of_pipeline(pipeline.clients, pipeline.pipeline).actors()
    consumers = [actor for actor in actors if actor.name.startswith(CONSUMER)]
    documents = [pipeline.client.document(PAGES) for _ in consumers]
    for one in documents:
        pipeline.client.add(one)

    def written() -> int:
        with plainly("reading the control table"):
            listing = pipeline.pipeline.access(pipeline.clients).listing
            sets = list(listing.with_status(WRITING))
        names = {one["object"].rpartition("/")[2] for one in sets if one["reserved"] > 0}
        return len(names & {one.name for one in documents})

    pipeline.await_that(
        "consumers in the documents",
        lambda: written() == len(documents),
        BEGUN_WITHIN,
        lambda: f"{written()} of {len(documents)}",
    )
    kill(pipeline, pipeline.place.workers()[:1])
