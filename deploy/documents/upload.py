"""Upload files, or copy objects, to where the pipeline takes them in. Touches S3."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

from boto3.exceptions import S3UploadFailedError

from common.clients import translated
from common.errors import Refused, Unanswered
from common.progress import Lines, NoLines
from deploy.documents.local_files import LocalFile, local_files
from deploy.documents.stored_files import SCHEME, StoredFile, stored_files
from documents.identity import ObjectRef

AddedFile = LocalFile | StoredFile
AT_ONCE = 8
MIB = 2**20
# Up to here one call uploads a file and tells its version; beyond, boto3 sends parts.
ONE_CALL = 16 * MIB
# Beyond so many files there is one line for all.
LISTED = 40
ALL = "documents"


@dataclass(frozen=True)
class Sent:
    """A version of an object that the pipeline is to bring to an end."""

    ref: ObjectRef
    version: str


def find_files(s3: Any, paths: Sequence[str], max_bytes: int) -> tuple[list[AddedFile], list[str]]:
    """Return what files, folders and ``s3://BUCKET/PREFIX`` name, and what is left out of them.

    Raises Refused where local_files and stored_files do, and where two would have one name.
    """
    urls = [path for path in paths if path.startswith(SCHEME)]
    local = [path for path in paths if path not in urls]
    found, left_out = list[AddedFile](), list[str]()
    if local or not urls:
        chosen = local_files(local, max_bytes)
        found, left_out = [*chosen.files], [*chosen.left_out]
    for url in urls:
        files, others = stored_files(s3, url, max_bytes)
        found, left_out = [*found, *files], [*left_out, *others]
    names = Counter(file.name for file in found)
    if twice := [name for name, count in names.items() if count > 1]:
        raise Refused(f"several would be called {', '.join(twice[:5])}", hint="add them apart")
    return found, left_out


def upload(s3: Any, bucket: str, files: Sequence[AddedFile], lines: Lines) -> list[Sent]:
    """Upload files, a few at once; return their versions, in order.

    Raises Unanswered at the first that fails; what was uploaded before it stays, and the same
    command uploads it again.
    """
    many, sent = len(files) > LISTED, list[Sent]()
    each = NoLines() if many else lines
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(lambda file: _upload(s3, bucket, file, each), files):
            sent.append(one)
            if many:
                lines.say(ALL, f"uploaded {len(sent)} of {len(files)}")
    return sent


def _upload(s3: Any, bucket: str, file: AddedFile, lines: Lines) -> Sent:
    lines.say(file.name, "uploading")
    doing = f"uploading {file.words}"
    with translated(doing):
        try:
            version = _version(s3, bucket, file, lines)
        except (S3UploadFailedError, OSError) as error:
            raise Unanswered(f"{doing}: {error}", hint="run the same command again") from error
    lines.say(file.name, "uploaded")
    return Sent(ObjectRef(bucket, file.key), version)


def _version(s3: Any, bucket: str, file: AddedFile, lines: Lines) -> str:
    place = {"Bucket": bucket, "Key": file.key}
    if isinstance(file, StoredFile):
        source = {"Bucket": file.bucket, "Key": file.source}
        return str(s3.copy_object(**place, CopySource=source).get("VersionId", "null"))
    if file.size <= ONE_CALL:
        with file.path.open("rb") as body:
            return str(s3.put_object(**place, Body=body).get("VersionId", "null"))
    s3.upload_file(str(file.path), bucket, file.key, Callback=_counted(file, lines))
    return str(s3.head_object(**place).get("VersionId", "null"))


def _counted(file: LocalFile, lines: Lines) -> Callable[[int], None]:
    """Return what boto3 calls with the bytes that were sent since, from several threads."""
    lock, sent = Lock(), 0

    def count(more: int) -> None:
        nonlocal sent
        with lock:
            sent += more
            lines.say(file.name, f"uploading, {sent / MIB:.1f} of {file.size / MIB:.1f} MiB")

    return count
