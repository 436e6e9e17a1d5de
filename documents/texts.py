"""What was read from each document, below ``processed/``: JSON objects, one a section and a line.

It is for people and exports: why a question does not find what a page shows, or another model that
is to embed the same text. Nothing here reads it. A text belongs to a set of vectors, is written
before the set serves, and is deleted with it. Touches S3.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from documents.identity import text_key
from documents.parsing.section import Section
from documents.source import answering


class Transcript:
    """A file that sections are written to as they pass."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, sections: Iterable[Section]) -> Iterator[Section]:
        """Pass sections on, and write each that has text."""
        with self.path.open("w", encoding="utf-8") as file:
            for section in sections:
                if section.text.strip():
                    file.write(json.dumps(asdict(section), ensure_ascii=False) + "\n")
                yield section


@contextmanager
def transcript() -> Iterator[Transcript]:
    """Yield a transcript whose file goes with the block."""
    with tempfile.NamedTemporaryFile(prefix="text-") as file:
        yield Transcript(Path(file.name))


class Texts:
    """The texts of one bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def put(self, vector_set: str, text: Transcript) -> None:
        """Keep what a set's vectors were made from; raises Unavailable."""
        with answering(), text.path.open("rb") as body:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=text_key(vector_set),
                Body=body,
                ContentType="application/x-ndjson",
            )

    def delete(self, vector_set: str) -> None:
        """Delete the text of a set, if there is one; raises Unavailable."""
        with answering():
            self._s3.delete_object(Bucket=self._bucket, Key=text_key(vector_set))
