"""Measure documents and pages a minute: a plain loop in one process, and workers on Ray.

    $(.venv/bin/python -m commands.documents_runtime | head -1) -m tests.bench.documents

Same files, same model, one run: each round has the loop, then a consumer's work in a process
without Ray, then one worker of Ray, two, three. A worker is a node with one CPU, as a worker task
is, and so one consumer. The loop fetches, parses, chunks, embeds and writes, and does nothing else:
no queue, no claims, no process for the parser. So "without Ray" beside the loop is what it costs
that no document is lost, and "1 on Ray" beside that is what Ray costs.
The consumers do all of their work, until the last record says DONE; their start, and Ray's, is not
counted. AWS is moto in this
process, on the same cores: what it takes of one is printed too.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import ray

from commands.documents_runtime import model_folder
from common import checkout
from common.checkout import REPOSITORY
from common.waiting import Seen, SystemClock, wait_for
from documents.access import access
from documents.chunking import chunks
from documents.consumer import states
from documents.entry import NAMESPACE
from documents.identity import ObjectRef, sha256_of
from documents.parsing.formats import format_of, parser
from documents.providers.interfaces import Stored
from documents.quality.facts import FILLER
from documents.quality.plain_pdf import plain_pdf
from documents.settings import load_settings
from documents.work import make_work
from documents.worker import Worker
from tests.documents.cloud import PipelineCloud, cloud
from tests.documents.ray_cluster import RayCluster, ray_cluster

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}
SECONDS = 600.0


def document(number: int, pages: int) -> bytes:
    """Return a PDF that no other run of this benchmark has in common."""
    filler = " ".join(FILLER["en"])
    return plain_pdf(
        [f"Document {number}, page {page}. " + filler * 2 for page in range(1, pages + 1)]
    )


def plain_loop(keys: list[str]) -> None:
    """Index these objects in this process, one after the other; print the seconds."""
    from common.clients import Clients

    settings = load_settings()
    clients = Clients(settings.region)
    work = make_work(settings, clients, "loop")
    work.embeddings.embed(["warm"])
    began = time.monotonic()
    for key in keys:
        ref = ObjectRef(settings.bucket, key)
        with tempfile.NamedTemporaryFile() as file:
            path = Path(file.name)
            answer = clients("s3").get_object(Bucket=ref.bucket, Key=ref.key)
            path.write_bytes(answer["Body"].read())
            sha256, sections = sha256_of(path), parser(format_of(key, path))(path)
            cut = chunks(sections, work.tokenize, settings.chunk_tokens, settings.chunk_overlap)
            while batch := list(islice(cut, settings.batch_chunks)):
                vectors = work.embeddings.embed([one.embedded for one in batch])
                stored = [
                    Stored(f"loop-{sha256}", one.number, sha256, one.page, one.heading, one.text)
                    for one in batch
                ]
                work.index.put(list(zip(stored, vectors, strict=True)))
    print(time.monotonic() - began)


def without_ray() -> None:
    """Do a consumer's work in this process until SIGTERM."""
    from common.clients import Clients

    settings = load_settings()
    clients = Clients(settings.region)
    work = make_work(settings, clients, "alone")
    worker = Worker(work, access(settings, clients).queue, lambda *words, **fields: None)
    signal.signal(signal.SIGTERM, lambda number, frame: worker.stop())
    worker.run()


def loop_seconds(aws: PipelineCloud, names: list[str]) -> float:
    """Run the loop in a process of its own; return the seconds that it measured."""
    keys = [f"input/{name}" for name in names]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.documents", "--loop", *keys],
        cwd=REPOSITORY,
        env={**aws.variables, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


@dataclass
class Measured:
    """How fast one way was in one round: documents and seconds, and AWS's share of a core."""

    documents: int
    pages: int
    seconds: float
    stand_in: float

    @property
    def rate(self) -> float:
        """Documents a minute."""
        return self.documents / self.seconds * 60

    def show(self, what: str) -> None:
        """Print it."""
        print(
            f"{what}: {self.documents} documents in {self.seconds:.1f} s, "
            f"{self.rate:.0f} documents and {self.rate * self.pages:.0f} pages a minute; "
            f"AWS took {self.stand_in:.2f} of a core; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


class Bench:
    """Rounds of the same work; each file is of one round and one way, or it would be known."""

    def __init__(self, aws: PipelineCloud, documents: int, pages: int) -> None:
        self.aws, self._documents, self._pages, self._made = aws, documents, pages, 0

    def loop(self) -> Measured:
        """Let the plain loop index as many files."""
        names = self._files()
        return self._measured(lambda: loop_seconds(self.aws, names))

    def workers(self) -> Measured:
        """Let the consumers that are there index as many files."""
        names = self._files()

        def run() -> float:
            began = time.time()
            for name in names:
                self.aws.send(f"input/{name}")
            wait_for(
                "an empty queue", self._emptied, clock=SystemClock(), seconds=SECONDS, every=0.5
            )
            return self.aws.done_at([f"input/{name}" for name in names]) - began

        return self._measured(run)

    @contextmanager
    def one_without_ray(self) -> Iterator[None]:
        """Have a process that does a consumer's work in the block."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.documents", "--alone"],
            cwd=REPOSITORY,
            env={**self.aws.variables, "PYTHONPATH": str(REPOSITORY)},
        )
        try:
            self._read_a_few(1)
            yield
        finally:
            process.terminate()
            process.wait()

    def warm(self, cluster: RayCluster, workers: int) -> None:
        """Wait until so many consumers run, and let them read a few documents."""

        def look() -> Seen[bool]:
            found = [one["node"] for one in states().values() if one]
            return Seen(len(set(found)) == workers or None, f"on {len(set(found))} nodes")

        with connected(cluster):
            wait_for("the consumers", look, clock=SystemClock(), seconds=SECONDS)
        self._read_a_few(workers)

    def _read_a_few(self, workers: int) -> None:
        names = [f"warm-{time.monotonic_ns()}.pdf" for _ in range(4 * workers)]
        for name in names:
            self.aws.put(name, self._document(1))
        self.aws.wait(dict.fromkeys(names, "DONE"), SECONDS)

    def _emptied(self) -> Seen[bool]:
        left = self.aws.left()
        return Seen(left == 0 or None, f"{left} messages")

    def _files(self) -> list[str]:
        names = [f"bench-{time.monotonic_ns()}.pdf" for _ in range(self._documents)]
        for name in names:
            self.aws.client("s3").put_object(
                Bucket="bucket", Key=f"input/{name}", Body=self._document(self._pages)
            )
        return names

    def _document(self, pages: int) -> bytes:
        self._made += 1
        return document(self._made, pages)

    def _measured(self, run: Callable[[], float]) -> Measured:
        before = time.process_time()
        seconds = run()
        share = (time.process_time() - before) / seconds
        return Measured(self._documents, self._pages, seconds, share)


@contextmanager
def connected(cluster: RayCluster) -> Iterator[None]:
    """Be a driver of the cluster in the block."""
    address = cluster.environment["RAY_ADDRESS"]
    ray.init(address=address, namespace=NAMESPACE, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


def one_round(bench: Bench, most: int, number: int) -> list[Measured]:
    """Return the loop's figures, then those of one worker, two, and so on."""
    found = [bench.loop()]
    found[0].show(f"round {number}, loop")
    with bench.one_without_ray():
        found.append(bench.workers())
    found[1].show(f"round {number}, without Ray")
    with ray_cluster(bench.aws.variables, {}) as cluster:
        cluster.run("documents.consumer", "keeper")
        for workers in range(1, most + 1):
            cluster.start_worker(f"worker-{workers}", 1)
            cluster.await_started(f"worker-{workers}")
            bench.warm(cluster, workers)
            found.append(bench.workers())
            found[-1].show(f"round {number}, {workers} on Ray")
    return found


def spread(values: list[float]) -> str:
    """Return the median of some values, and the least and most."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def summarize(rounds: list[list[Measured]]) -> None:
    """Print each way's rate, and how it compares with the ways before the first on two workers."""
    names = ["loop", "without Ray", *(f"{n} on Ray" for n in range(1, len(rounds[0]) - 1))]
    for way, name in enumerate(names):
        rates = [one[way].rate for one in rounds]
        pages = [rate * rounds[0][0].pages for rate in rates]
        words = f"{spread(rates)} documents a minute, {median(pages):.0f} pages"
        for other in range(min(way, 3)):
            ratios = [one[way].rate / one[other].rate for one in rounds]
            words += f"; {names[other]} times {spread(ratios)}"
        print(f"{name}: {words}")


def main() -> None:
    """Measure the loop and each number of workers, round by round."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=48)
    options.add_argument("--pages", type=int, default=8)
    options.add_argument("--workers", type=int, default=3)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--loop", nargs="*", default=[])
    options.add_argument("--alone", action="store_true")
    chosen = options.parse_args()
    if chosen.loop:
        plain_loop(chosen.loop)
        return
    if chosen.alone:
        without_ray()
        return
    os.environ.update(CREDENTIALS)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with cloud(model_folder(checkout.cache()), consumer_memory=0, sweep_seconds=3600) as aws:
        bench = Bench(aws, chosen.documents, chosen.pages)
        numbers = range(1, chosen.rounds + 1)
        summarize([one_round(bench, chosen.workers, number) for number in numbers])


if __name__ == "__main__":
    main()
