"""Bucket policies: a statement counts only when its condition is met."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.conftest import Clients


def deny_unless(condition: dict[str, dict[str, str]] | None) -> str:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    both = statement | ({"Condition": condition} if condition else {})
    return json.dumps({"Version": "2012-10-17", "Statement": [both]})


def test_denying_plain_http_leaves_tls_alone(aws: Clients) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket="a-bucket")
    s3.put_bucket_policy(
        Bucket="a-bucket", Policy=deny_unless({"Bool": {"aws:SecureTransport": "false"}})
    )

    s3.put_object(Bucket="a-bucket", Key="k", Body=b"v")

    assert s3.get_object(Bucket="a-bucket", Key="k")["Body"].read() == b"v"


def test_an_unconditional_denial_denies(aws: Clients) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket="a-bucket")
    s3.put_bucket_policy(Bucket="a-bucket", Policy=deny_unless(None))

    with pytest.raises(ClientError, match="403|AccessDenied|Forbidden"):
        s3.put_object(Bucket="a-bucket", Key="k", Body=b"v")
