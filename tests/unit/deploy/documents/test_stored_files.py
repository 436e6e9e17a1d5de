"""A backfill: what another bucket holds is copied in, by S3 itself."""

import pytest

from common.errors import Refused
from common.progress import NoLines
from deploy.documents.upload import find_files, upload
from tests.unit.documents.conftest import Clients

LIMIT = 100


@pytest.fixture
def archive(aws: Clients) -> None:
    """A bucket with three documents below a prefix, and what is none."""
    aws("s3").create_bucket(Bucket="archive")
    for key, body in {
        "old/reports/a.txt": b"a",
        "old/reports/2025/b.MD": b"b",
        "old/reports/photo.png": b"x",
        "old/reports/empty.txt": b"",
        "old/reports/big.txt": b"x" * 101,
        "old/reports/2025/": b"",
        "old/c.txt": b"c",
    }.items():
        aws("s3").put_object(Bucket="archive", Key=key, Body=body)


@pytest.mark.parametrize("url", ["s3://archive/old/reports/", "s3://archive/old/reports"])
def test_objects_are_called_from_the_prefixs_last_part_on(
    aws: Clients, archive: None, url: str
) -> None:
    files, left_out = find_files(aws("s3"), [url], LIMIT)

    assert [file.name for file in files] == ["reports/2025/b.MD", "reports/a.txt"]
    assert left_out == [
        "s3://archive/old/reports/big.txt",
        "s3://archive/old/reports/empty.txt",
        "s3://archive/old/reports/photo.png",
    ]


def test_a_whole_bucket_keeps_its_keys(aws: Clients, archive: None) -> None:
    files, _ = find_files(aws("s3"), ["s3://archive"], LIMIT)

    assert [file.key for file in files] == [
        "input/old/c.txt",
        "input/old/reports/2025/b.MD",
        "input/old/reports/a.txt",
    ]


def test_each_is_copied_and_its_version_known(aws: Clients, archive: None) -> None:
    files, _ = find_files(aws("s3"), ["s3://archive/old/c.txt"], LIMIT)

    (sent,) = upload(aws("s3"), "bucket", files, NoLines())

    copied = aws("s3").get_object(Bucket="bucket", Key="input/c.txt")
    assert (copied["Body"].read(), copied["VersionId"]) == (b"c", sent.version)


def test_what_holds_nothing_or_one_name_twice_is_refused(aws: Clients, archive: None) -> None:
    with pytest.raises(Refused, match="s3://archive/none holds no document"):
        find_files(aws("s3"), ["s3://archive/none"], LIMIT)
    with pytest.raises(Refused, match="several would be called"):
        find_files(aws("s3"), ["s3://archive/old/c.txt", "s3://archive/old/c.txt"], LIMIT)
    with pytest.raises(Refused, match="no file is named"):
        find_files(aws("s3"), [], LIMIT)
