"""The whole application on a real Ray cluster: documents in, answers out, and workers lost."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import Refused
from common.progress import NoLines
from common.waiting import Seen, SystemClock, wait_for
from deploy.documents.local_files import local_files
from deploy.documents.question import Api
from deploy.documents.upload import upload
from deploy.documents.watch import Watch
from documents.control.listing import Listing
from documents.quality.plain_pdf import plain_pdf
from tests.documents import files
from tests.documents.cloud import TOKEN, PipelineCloud, cloud
from tests.documents.ray_cluster import RayCluster, await_served, free_port, ray_cluster

SECONDS = 120.0


@pytest.fixture(scope="module")
def aws(model: Path) -> Iterator[PipelineCloud]:
    settings = {"claim_seconds": 9, "sweep_seconds": 5, "port": free_port(), "consumer_memory": 0}
    with cloud(model, **settings) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(aws: PipelineCloud) -> Iterator[RayCluster]:
    with ray_cluster(aws.variables, {"worker-1": 1, "worker-2": 1}) as found:
        found.run("documents.consumer", "keeper")
        found.run("documents.serve", "serve")
        await_served(int(aws.variables["DOCUMENTS_PORT"]), SECONDS)
        yield found


def request(
    aws: PipelineCloud, path: str, method: str = "GET", body: bytes = b"", token: str = TOKEN
) -> Any:
    url = f"http://127.0.0.1:{aws.variables['DOCUMENTS_PORT']}{path}"
    asked = urllib.request.Request(url, data=body or None, method=method)
    asked.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 # http, to ourselves
        return [json.loads(line) for line in answer]


def best(aws: PipelineCloud, question: str) -> tuple[list[str], int, str]:
    """Return the sources, page and text of the first passage."""
    lines = request(aws, "/ask", "POST", json.dumps({"question": question}).encode())
    assert lines[-1] == {"end": True}
    first = lines[0]["passages"][0] if lines[0]["passages"] else {}
    return first.get("sources", []), first.get("page", 0), first.get("text", "")


def test_documents_of_every_format_are_answered_from_and_poison_fails_alone(
    aws: PipelineCloud, cluster: RayCluster
) -> None:
    aws.put("pump.pdf", files.pdf(["About pumps.", "The pump's warranty lasts 31 months."]))
    aws.put("rent.docx", files.word([("Rent", "The rent of the hall is 420 euros a week.")]))
    aws.put("trains.html", b"<h1>Trains</h1><p>The night train to Narvik leaves at 18:12.</p>")
    aws.put("bees.md", b"# Bees\n\nA hive holds about forty thousand bees in summer.\n")
    aws.put("notes.txt", "Der Schlüssel liegt unter der blauen Vase im Flur.".encode())
    aws.put("locked.pdf", files.pdf(["Secret."], password="user"))
    aws.put("cut.pdf", files.pdf(["Long text. " * 500])[:-900])

    aws.wait(
        {
            **dict.fromkeys(
                ("pump.pdf", "rent.docx", "trains.html", "bees.md", "notes.txt"), "DONE"
            ),
            "locked.pdf": "encrypted",
            "cut.pdf": "truncated",
        },
        SECONDS,
    )

    assert best(aws, "How long is the warranty of the pump?")[:2] == (["pump.pdf"], 2)
    assert best(aws, "What does it cost to rent the hall?")[0] == ["rent.docx"]
    assert best(aws, "When does the train to Narvik leave?")[0] == ["trains.html"]
    assert best(aws, "How many bees live in a hive?")[0] == ["bees.md"]
    assert "Vase" in best(aws, "Wo liegt der Schlüssel?")[2]


def test_a_new_version_replaces_the_old_and_a_removal_removes(
    aws: PipelineCloud, cluster: RayCluster
) -> None:
    aws.put("tide.txt", b"High tide is at seven o'clock.")
    aws.wait({"tide.txt": "DONE"}, SECONDS)
    assert "seven" in best(aws, "When is high tide?")[2]
    aws.put("tide.txt", b"High tide is at eleven o'clock.")

    def look() -> Seen[bool]:
        text = best(aws, "When is high tide?")[2]
        assert ("seven" in text) != ("eleven" in text)
        return Seen("eleven" in text or None, text)

    wait_for("the new version", look, clock=SystemClock(), seconds=SECONDS, every=0.2)
    aws.delete("tide.txt")
    aws.wait({"tide.txt": "REMOVED"}, SECONDS)
    assert "tide" not in best(aws, "When is high tide?")[2]


def test_an_upload_over_the_api_is_taken_in(aws: PipelineCloud, cluster: RayCluster) -> None:
    # The test's cloud does not notify of uploads; the sweep finds what no event told of.
    request(aws, "/documents/moon.txt", "PUT", b"The moon is 384,400 km away from the earth.")

    aws.wait({"moon.txt": "DONE"}, SECONDS)
    assert "384,400" in best(aws, "How far away is the moon?")[2]
    shown = {one["name"]: one for one in request(aws, "/documents")[0]["documents"]}
    assert shown["moon.txt"]["status"] == "DONE"


@pytest.mark.parametrize("path", ["/ask", "/documents", "/status"])
def test_without_the_token_nothing_is_answered(
    aws: PipelineCloud, cluster: RayCluster, path: str
) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        request(aws, path, "POST" if path == "/ask" else "GET", token="wrong")


def test_a_worker_that_is_lost_in_the_middle_of_a_document_loses_nothing(
    aws: PipelineCloud, cluster: RayCluster
) -> None:
    long = [f"Page {number} is about subject {number}. " + "word " * 120 for number in range(100)]
    long[77] = "The password of the safe in room nine is written on page seventy-eight."
    for number in range(2):  # one for each worker
        aws.put(f"long-{number}.pdf", plain_pdf([f"{number} {text}" for text in long]))

    def working() -> Seen[bool]:
        pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName="control")
        items = [item for page in pages for item in page["Items"]]
        writing = [one for one in items if one.get("status", {}).get("S") == "WRITING"]
        return Seen(len(writing) == 2 or None, f"{len(writing)} are being written")

    wait_for("both workers", working, clock=SystemClock(), seconds=SECONDS, every=0.2)
    cluster.kill("worker-2")
    cluster.start_worker("worker-3", 1)

    aws.wait({"long-0.pdf": "DONE", "long-1.pdf": "DONE"}, SECONDS)
    sources, page, _ = best(aws, "Where is the password of the safe in room nine?")
    assert page == 78
    assert sources in (["long-0.pdf"], ["long-1.pdf"])


def test_an_operator_adds_asks_and_brings_back(
    aws: PipelineCloud, cluster: RayCluster, tmp_path: Path
) -> None:
    (tmp_path / "lift.pdf").write_bytes(files.pdf(["About lifts.", "The lift carries 9 persons."]))
    (tmp_path / "shut.pdf").write_bytes(files.pdf(["Secret."], password="user"))
    s3, lines = aws.client("s3"), NoLines()
    listing = Listing(aws.client("dynamodb"), "control")
    watch = Watch(listing, s3, SystemClock(), lines)
    chosen = local_files([str(tmp_path / "lift.pdf"), str(tmp_path / "shut.pdf")], 2**20)

    ended = watch.run(upload(s3, "bucket", chosen.files, lines), SECONDS)

    assert ended.done == {"lift.pdf": "done: 2 pages, 2 chunks"}
    assert ended.failed["shut.pdf"].startswith("encrypted")
    url = f"http://127.0.0.1:{aws.variables['DOCUMENTS_PORT']}"
    answer = Api(url, TOKEN).ask("How many persons does the lift carry?")
    assert (answer.passages[0].sources, answer.passages[0].page) == (("lift.pdf",), 2)
    assert "9 persons" in answer.text
    with pytest.raises(Refused, match="refuses the token"):
        Api(url, "wrong").ask("How many?")
