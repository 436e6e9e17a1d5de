"""Measure documents and pages a minute: a plain loop in one process, then consumers on Ray.

    $(.venv/bin/python -m commands.documents_runtime | head -1) -m tests.bench.documents

Same files, same model, one run. The loop fetches, parses, chunks, embeds and writes, and does
nothing else: no queue, no claims, no process for the parser. The consumers do all of their work;
their start, and Ray's, is not counted. AWS is moto in a process of its own, on the same cores.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from commands.documents_runtime import model_folder
from common import checkout
from common.checkout import REPOSITORY
from documents.chunking import chunks
from documents.identity import ObjectRef, sha256_of
from documents.parsing.formats import format_of, parser
from documents.providers.interfaces import Stored
from documents.quality.facts import FILLER
from documents.quality.plain_pdf import plain_pdf
from documents.settings import load_settings
from documents.work import make_work
from tests.documents.cloud import PipelineCloud, cloud
from tests.documents.ray_cluster import ray_cluster

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


def ray_seconds(aws: PipelineCloud, names: list[str], consumers: int) -> float:
    """Let so many consumers index these objects; return the seconds until the last is done."""
    variables = {**aws.variables, "DOCUMENTS_CONSUMERS": str(consumers)}
    with ray_cluster(variables, {"worker": consumers}) as cluster:
        cluster.run("documents.consumer", "keeper")
        warm = [f"warm-{consumers}-{number}.pdf" for number in range(4 * consumers)]
        for number, name in enumerate(warm):
            aws.put(name, document(-1000 * consumers - number, 1))
        aws.wait(dict.fromkeys(warm, "DONE"), SECONDS)
        began = time.monotonic()
        for name in names:
            aws.send(f"input/{name}")
        aws.wait(dict.fromkeys(names, "DONE"), SECONDS)
        return time.monotonic() - began


def measured(what: str, count: int, pages: int, run: Callable[[], float]) -> float:
    """Run, print, and return the documents a minute."""
    seconds = run()
    rate = count / seconds * 60
    load = os.getloadavg()[0]
    print(
        f"{what}: {count} documents in {seconds:.1f} s: {rate:.0f} documents and "
        f"{rate * pages:.0f} pages a minute (load {load:.1f})",
        flush=True,
    )
    return rate


def main() -> None:
    """Measure the loop, and each number of consumers."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=24)
    options.add_argument("--pages", type=int, default=8)
    options.add_argument("--consumers", type=int, nargs="+", default=[1, 2])
    options.add_argument("--loop", nargs="*", default=[])
    chosen = options.parse_args()
    if chosen.loop:
        plain_loop(chosen.loop)
        return
    os.environ.update(CREDENTIALS)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    count, pages = chosen.documents, chosen.pages
    with cloud(model_folder(checkout.cache()), consumer_memory=0, sweep_seconds=3600) as aws:
        rounds = {}
        for number in (0, *chosen.consumers):  # other documents each time: the same would be known
            names = [f"round-{number}-{one}.pdf" for one in range(count)]
            for one, name in enumerate(names):
                content = document(10_000 * number + one, pages)
                aws.client("s3").put_object(Bucket="bucket", Key=f"input/{name}", Body=content)
            rounds[number] = names
        loop = measured("loop", count, pages, lambda: loop_seconds(aws, rounds[0]))
        for number in chosen.consumers:
            rate = measured(
                f"Ray, {number} consumers",
                count,
                pages,
                lambda number=number: ray_seconds(aws, rounds[number], number),  # type: ignore[misc] # bound now
            )
            print(f"  {rate / loop:.2f} times the loop")


if __name__ == "__main__":
    main()
