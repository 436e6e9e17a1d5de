"""An operator inside the VPC that does what each line says: the far end of ``tests.cloud.harness``.

Reads JSON lines and answers each with one: ``["aws", service, operation, parameters]`` calls AWS as
any client would, ``["dial", ip, port, seconds]`` opens a connection, ``["resolve", name]`` asks the
resolver, ``["who", keys]`` asks AWS whose keys these are.
"""

import json
import socket
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tests.recordings.held import holding


@cache
def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")


def aws(service: str, operation: str, parameters: dict[str, Any]) -> Any:
    try:
        with holding():
            answer = getattr(client(service), operation)(**parameters)
    except ClientError as error:
        return {"error": error.response["Error"]}
    except AssertionError as unlike_aws:
        return {"unlike": str(unlike_aws)}
    if "Body" in answer:
        answer["Body"] = answer["Body"].read().decode()
    return {"answer": answer}


def who(keys: dict[str, str]) -> Any:
    """Ask AWS who the owner of an instance's credentials is."""
    sts = boto3.client(
        "sts",
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["Token"],
    )
    return {"answer": sts.get_caller_identity()["Arn"]}


def dial(ip: str, port: int, seconds: float) -> Any:
    try:
        with socket.create_connection((ip, port), seconds) as connection:
            return {"answer": f"from {connection.getsockname()[0]}"}
    except OSError as error:
        return {"answer": type(error).__name__}


def resolve(name: str) -> Any:
    try:
        return {"answer": sorted({entry[4][0] for entry in socket.getaddrinfo(name, 80)})}
    except OSError:
        return {"answer": []}


def main() -> None:
    actions: dict[str, Callable[..., Any]] = {
        "aws": aws,
        "who": who,
        "dial": dial,
        "resolve": resolve,
    }
    for line in sys.stdin:
        action, *arguments = json.loads(line)
        print(json.dumps(actions[action](*arguments), default=str), flush=True)


if __name__ == "__main__":
    main()
