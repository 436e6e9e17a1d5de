"""A job that tries what no job should be able to: prints one line of JSON. Runs on the cluster.

    python job.py ENVIRONMENT TABLE WORKER

The answer to each attempt is what it got, or the name of what stopped it.
"""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

METADATA = "http://169.254.169.254/latest"
GUARD = "http://127.0.0.1:8479"
SESSION = Path("/tmp/ray/session_latest")
LISTENS = "0A"  # proc(5), /proc/net/tcp: TCP_LISTEN
REGION = "us-east-1"


def metadata() -> str:
    """Ask the metadata service for the role whose credentials it gives away."""
    head = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    ask = urllib.request.Request(f"{METADATA}/api/token", method="PUT", headers=head)  # noqa: S310
    token = urllib.request.urlopen(ask, timeout=3).read().decode()  # noqa: S310
    path = f"{METADATA}/meta-data/iam/security-credentials/"
    ask = urllib.request.Request(path, headers={"X-aws-ec2-metadata-token": token})  # noqa: S310
    role = urllib.request.urlopen(ask, timeout=3).read().decode()  # noqa: S310
    return "got a role" if role else "no role"


def aws(service: str, operation: str, **arguments: object) -> Callable[[], str]:
    """Return a call of AWS."""

    def call() -> str:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
        client = boto3.client(service, region_name=REGION, config=config)
        getattr(client, operation)(**arguments)
        return "got it"

    return call


def written(path: str) -> Callable[[], str]:
    """Return an attempt to change a file."""

    def write() -> str:
        with Path(path).open("r+"):
            pass
        return "got it"

    return write


def replaced(folder: str) -> Callable[[], str]:
    """Return an attempt to have a file of our own in a folder, so that others could be replaced."""

    def make() -> str:
        path = Path(folder, f"hostile-{os.getpid()}")
        path.touch()
        path.unlink()
        return "got it"

    return make


def of_others(name: str) -> Callable[[], str]:
    """Return an attempt to read a file of every process of another user."""

    def read() -> str:
        seen = [p for p in Path("/proc").iterdir() if p.name.isdigit()]
        others = [p for p in seen if p.stat().st_uid != os.getuid()]
        return f"got {len([p for p in others if (p / name).read_bytes()])}"

    return read


def kill_the_guard() -> str:
    """Ask whether we may send a signal to the first process above us that is not ours."""
    pid = os.getppid()
    while Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}").stat().st_uid == os.getuid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(pid, 0)
    return "got it"


def posted(path: str) -> Callable[[], str]:
    """Return an attempt to have the guard do something."""

    def post() -> str:
        ask = urllib.request.Request(f"{GUARD}{path}", data=b"{}", method="POST")  # noqa: S310
        try:
            urllib.request.urlopen(ask, timeout=3)  # noqa: S310
        except urllib.error.HTTPError as error:
            return f"answered {error.code}"
        return "got it"

    return post


def told(message: bytes) -> Callable[[], str]:
    """Return an attempt to speak to systemd in the name of the unit that we run in (sd_notify(3)).

    It takes any datagram, and tells no one whether it heeded it.
    """

    def tell() -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(message, "/run/systemd/notify")
        return "sent"

    return tell


def connected(path: Path) -> Callable[[], str]:
    """Return an attempt to connect to a socket in the file system."""

    def connect() -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.connect(str(path))
        return "got it"

    return connect


def stopped(unit: str) -> Callable[[], str]:
    """Return an attempt to have systemd stop a unit."""

    def stop() -> str:
        command = ["systemctl", "--no-ask-password", "stop", unit]
        done = subprocess.run(command, capture_output=True, check=False, timeout=20)
        return "got it" if done.returncode == 0 else "refused"

    return stop


def ports_of_others() -> str:
    """Return the TCP ports on which processes of other users listen."""
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    others = {
        int(words[1].rpartition(":")[2], 16)
        for words in lines
        if words[3] == LISTENS and int(words[7]) != os.getuid()
    }
    return f"saw {' '.join(map(str, sorted(others))) or 'none'}"


def log_of_another_job() -> str:
    """Read what another job has printed."""
    own = os.environ.get("RAY_JOB_SUBMISSION_ID", "")
    logs = [p for p in SESSION.glob("logs/job-driver-*.log") if not own or own not in p.name]
    return "got it" if any(log.read_bytes() for log in logs) else "none"


def tried(attempt: Callable[[], str]) -> str:
    """Return what an attempt got, or what stopped it."""
    try:
        return attempt()
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        return str(code or type(getattr(error, "reason", error)).__name__)


def main(environment: str, table: str, worker: str) -> None:
    """Try everything."""
    key = {"cluster": {"S": environment}}
    lease = {**key, "holder": {"S": "i-hostile"}}
    name = f"/ray/{environment}/redis_password"
    attempts: dict[str, Callable[[], str]] = {
        "metadata": metadata,
        "read the lease": aws("dynamodb", "get_item", TableName=table, Key=key),
        "write the lease": aws("dynamodb", "put_item", TableName=table, Item=lease),
        "launch": aws("ec2", "run_instances", ImageId="ami-0", MinCount=1, MaxCount=1),
        "terminate": aws("ec2", "terminate_instances", InstanceIds=[worker]),
        "the secret's parameter": aws("ssm", "get_parameter", Name=name, WithDecryption=True),
        "the identity": written("/run/ray/identity.json"),
        "the autoscaler's YAML": written("/run/ray/autoscaler.yaml"),
        "a file beside": replaced("/run/ray"),
        "the autoscaler's folder": replaced("/run/ray/autoscaler"),
        "the guard's code": written("/opt/raykiln/node/head/guard.py"),
        "environment of others": of_others("environ"),
        "the guard": kill_the_guard,
        "the guard's port": posted("/status"),
        "the guard's watchdog": told(b"WATCHDOG=trigger\nSTOPPING=1"),
        "the guard's unit": stopped("ray-head.service"),
        "the worker's unit": stopped("ray-worker.service"),
        "systemd": connected(Path("/run/systemd/private")),
        "ports of others": ports_of_others,
        "another job's log": log_of_another_job,
        "Ray's raylet": connected(SESSION / "sockets/raylet"),
        "Ray's object store": connected(SESSION / "sockets/plasma_store"),
        "the token": lambda: "got it" if Path("/run/ray/token").read_text() else "empty",
    }
    print("tried:", json.dumps({what: tried(attempt) for what, attempt in attempts.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
