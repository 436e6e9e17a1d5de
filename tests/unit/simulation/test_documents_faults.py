"""It must not matter where a command for documents on a cluster dies, nor which call goes wrong.

As in test_faults.py: a sample, and every fault at every call with ``RAYKILN_THOROUGH``. Meanwhile
the cluster serves and keeps its workers, and nothing is deleted while documents are read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.marks import THOROUGH_ONLY
from tests.simulation.node_aws import client
from tests.unit.simulation.conftest import Deployed
from tests.unit.simulation.documents import (
    BUCKET,
    Application,
    Documents,
    DocumentsWatch,
    documents_environment,
    seen_from_inside,
)
from tests.unit.simulation.test_faults import Sample, Watched, try_all
from tests.unit.simulation.trials import Story, again

pytestmark = pytest.mark.thorough
Act = Callable[[Documents], None]


@dataclass
class Chapter:
    """A command, what comes before it, and what follows when it is not the command itself."""

    name: str
    act: Act
    sample: Sample
    before: Act = lambda documents: None
    then: Act | None = None


def change(documents: Documents) -> None:
    """Have the file ask for answers of a model, which needs a key, and for someone to be told."""
    documents.cluster.environment = documents_environment(
        answers="openai", email="team@example.com", log_days=30
    )


def add(documents: Documents) -> None:
    """Put two versions of a document's text where no function is told of it."""
    for body in (b"one", b"two"):
        client("s3").put_object(Bucket=BUCKET, Key="processed/a.txt", Body=body)


def deploy_and_add(documents: Documents) -> None:
    """Have a pipeline again, with a document."""
    documents.deploy()
    add(documents)


def keep(documents: Documents) -> None:
    """Destroy all but the data."""
    documents.destroy(keep_data=True)


LIFE = [
    Chapter("deploy", Documents.deploy, Sample(ExecuteChangeSet="killed after")),
    Chapter("change", Documents.deploy, Sample(PutSecretValue="killed"), before=change),
    Chapter("destroy", Documents.destroy, Sample(ExecuteChangeSet="killed after"), before=add),
]
OTHERS = [
    Chapter(
        "deploy, then destroy",
        Documents.deploy,
        Sample(ExecuteChangeSet="killed after"),
        then=Documents.destroy,
    ),
    Chapter(
        "pause", Documents.pause, Sample(ExecuteChangeSet="timed out"), before=Documents.deploy
    ),
    Chapter("resume", lambda d: d.pause(False), Sample(CreateChangeSet="killed after")),
    Chapter(
        "pause, then destroy",
        Documents.pause,
        Sample(ExecuteChangeSet="killed after"),
        then=Documents.destroy,
    ),
    Chapter("keep the data", keep, Sample(DeleteStack="killed after"), before=deploy_and_add),
]


@pytest.mark.parametrize(
    "chapters",
    [pytest.param(LIFE, id="its life"), pytest.param(OTHERS, id="other ends", marks=THOROUGH_ONLY)],
)
def test_documents_on_a_cluster_survive_every_fault(
    deployed: Deployed, results: Path, chapters: list[Chapter]
) -> None:
    cluster = Watched(deployed.cloud, documents_environment(), deployed.doubled)
    cluster.deploy()
    application = Application(cluster.cloud)
    workers = frozenset(cluster.worker_ids)
    with seen_from_inside(application):
        for chapter in chapters:
            watch = DocumentsWatch(cluster, 1, True, workers, application=application)
            documents = Documents(cluster, application, watch)
            chapter.before(documents)
            cluster.watch = watch
            play(cluster, documents, chapter, results.parent / chapter.name)


def play(cluster: Watched, documents: Documents, chapter: Chapter, folder: Path) -> None:
    """Try a chapter's faults, and carry it out."""
    folder.mkdir(exist_ok=True)
    then = chapter.then or chapter.act
    story = Story(
        lambda: chapter.act(documents),
        again(lambda: then(documents), documents.ending),
        another=chapter.then is not None,
    )
    try_all(cluster, story, chapter.sample, folder / "results")
