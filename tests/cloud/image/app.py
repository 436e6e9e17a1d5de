"""What the containers of tests/cloud/test_containers.py run: `serve`, `ignore`, `eat` or `fail`."""

import json
import os
import signal
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

PORT = 8080


def facts() -> dict[str, Any]:
    """What this container sees of itself and of AWS."""
    import boto3
    from botocore.exceptions import ClientError

    def refused(call: Any, **parameters: Any) -> str:
        try:
            call(**parameters)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    s3 = boto3.client("s3")
    return {
        "uid": os.getuid(),
        "memory": memory_limit(),
        "environment": dict(os.environ),
        "who": boto3.client("sts").get_caller_identity()["Arn"],
        "list": refused(s3.list_objects_v2, Bucket="of-the-task"),
        "put": refused(s3.put_object, Bucket="of-the-task", Key="a", Body=b"b"),
        "task": read(os.environ["ECS_CONTAINER_METADATA_URI_V4"] + "/task"),
        "others": status(f"http://169.254.170.2/v2/credentials/{'0' * 32}"),
        "instance": status("http://169.254.169.254/latest/meta-data/"),
        "processes": [path.name for path in Path("/proc").iterdir() if path.name.isdigit()],
    }


def memory_limit() -> int:
    """The limit that a program finds, in the control groups of either version."""
    places = ("memory/memory.limit_in_bytes", "memory.max")
    found = [Path("/sys/fs/cgroup", place) for place in places]
    return int(next(path for path in found if path.exists()).read_text())


def read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the task's endpoint
        return json.loads(answer.read())


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the task's endpoint
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(facts() if self.path == "/facts" else "here").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def leave(*_: Any) -> None:
    print("leaving")
    sys.exit(0)


def main() -> None:
    mode = sys.argv[1]
    print(f"{mode} begins")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "ignore" else leave)
    if mode == "fail":
        sys.exit(3)
    held = []
    while mode == "eat":
        held.append(bytearray(os.urandom(1 << 20)))
    if mode == "serve":
        HTTPServer(("", PORT), Handler).serve_forever()
    time.sleep(600)


if __name__ == "__main__":
    main()
