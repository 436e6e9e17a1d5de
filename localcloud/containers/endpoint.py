"""The endpoint of tasks at 169.254.170.2: metadata, the task role's credentials, protection.

Follows "Amazon ECS task metadata endpoint version 4 for tasks on Fargate" (docs.aws.amazon.com/
AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html), "Task IAM role"
(.../task-iam-roles.html) and "Amazon ECS task scale-in protection endpoint" (.../developerguide/
task-scale-in-protection-endpoint.html). Who asks is known by its address, and learns nothing of
another task.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from localcloud.account import ACCOUNT, REGION
from localcloud.patches import iam
from localcloud.patches.ecs import api
from localcloud.patches.ecs.records import Container, Task, Tree, task_at
from localcloud.times import stamp
from localcloud.world import World

CREDENTIAL_SECONDS = 6 * 3600.0
RENEW_BEFORE = 15 * 60.0
PROTECTION = "/task-protection/v1/state"


class Endpoint:
    """The service itself, apart from HTTP."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys: dict[str, tuple[float, Any]] = {}

    def get(self, address: str, path: str) -> tuple[int, Tree]:
        """Answer a read by the task at ``address``: a status and a body."""
        with self._world.lock:
            task = task_at(address)
            if task is None:
                return 404, {"message": "unknown task"}
            if path == f"/v2/credentials/{task.task_id}" and task.role:
                return 200, self._credentials(task)
            for container in task.containers:
                base = f"{task.task_id}-{container.name}"
                if path == f"/v4/{base}":
                    return 200, _container(task, container)
                if path in (f"/v4/{base}/task", f"/v4/{base}/taskWithTags"):
                    tags = {one["key"]: one["value"] for one in task.tags}
                    return 200, _task(task) | ({"TaskTags": tags} if path[-1] == "s" else {})
                if path == f"/api/{base}{PROTECTION}":
                    return _protected(task, "ecs:GetTaskProtection")
            return 404, {"message": "not found"}

    def put(self, address: str, path: str, body: bytes) -> tuple[int, Tree]:
        """Set the task's protection from scaling in, if its role may."""
        with self._world.lock:
            task = task_at(address)
            places = (
                [f"/api/{task.task_id}-{c.name}{PROTECTION}" for c in task.containers]
                if task
                else []
            )
            if task is None or path not in places:
                return 404, {"message": "not found"}
            try:
                given = json.loads(body)
                enabled, minutes = bool(given["ProtectionEnabled"]), given.get("ExpiresInMinutes")
                minutes = int(minutes or api.DEFAULT_PROTECTION)
            except (ValueError, KeyError, TypeError):
                return 400, {"error": {"Code": "InvalidParameterException"}}
            status, found = _protected(task, "ecs:UpdateTaskProtection")
            if status != 200:
                return status, found
            until = self._world.clock.now() + minutes * 60
            task.protected_until = until if enabled else 0.0
            return _protected(task, "ecs:UpdateTaskProtection")

    def _credentials(self, task: Task) -> Tree:
        now = self._world.clock.now()
        made, keys = self._keys.get(task.task_id, (0.0, None))
        if keys is None or now - made > CREDENTIAL_SECONDS - RENEW_BEFORE:
            made, keys = now, _assumed(task)
            self._keys[task.task_id] = (made, keys)
        return {
            "RoleArn": task.role,
            "AccessKeyId": keys.access_key_id,
            "SecretAccessKey": keys.secret_access_key,
            "Token": keys.session_token,
            "Expiration": stamp(made + CREDENTIAL_SECONDS),
        }


def _assumed(task: Task) -> Any:
    from moto.sts.models import sts_backends

    return sts_backends[ACCOUNT]["aws"].assume_role(
        REGION, task.task_id, task.role, None, CREDENTIAL_SECONDS, None
    )


def _protected(task: Task, action: str) -> tuple[int, Tree]:
    if not iam.role_may(task.role, [action], task.arn):
        return 400, {"error": {"Arn": task.arn, "Code": "AccessDeniedException"}}
    found = api.protection(task)
    shown = {"ProtectionEnabled": found["protectionEnabled"], "TaskArn": task.arn}
    if "expirationDate" in found:
        shown["ExpirationDate"] = stamp(found["expirationDate"])
    return 200, {"protection": shown}


def _task(task: Task) -> Tree:
    shown = api.shown(task)
    service = task.group.removeprefix("service:") if task.deployment else ""
    times = {"PullStartedAt": "pullStartedAt", "PullStoppedAt": "pullStoppedAt"}
    return {
        "Cluster": shown["clusterArn"],
        "TaskARN": task.arn,
        "Family": task.definition.family,
        "Revision": str(task.definition.revision),
        "DesiredStatus": task.desired_status,
        "KnownStatus": task.last_status,
        "Limits": {"CPU": int(shown["cpu"]) / 1024, "Memory": int(shown["memory"])},
        **{name: stamp(task.times[key]) for name, key in times.items() if key in task.times},
        "AvailabilityZone": shown["availabilityZone"],
        "LaunchType": task.launch_type,
        "Containers": [_container(task, container) for container in task.containers],
        **({"ServiceName": service} if service else {}),
    }


def _container(task: Task, container: Container) -> Tree:
    subnet = task.interface.subnet
    return {
        "DockerId": container.runtime_id,
        "Name": container.name,
        "DockerName": container.name,
        "Image": container.definition["image"],
        "ImageID": container.digest,
        "Labels": {
            "com.amazonaws.ecs.cluster": api.shown(task)["clusterArn"],
            "com.amazonaws.ecs.container-name": container.name,
            "com.amazonaws.ecs.task-arn": task.arn,
            "com.amazonaws.ecs.task-definition-family": task.definition.family,
            "com.amazonaws.ecs.task-definition-version": str(task.definition.revision),
        },
        "DesiredStatus": task.desired_status,
        "KnownStatus": container.last_status,
        "Type": "NORMAL",
        "Networks": [
            {
                "NetworkMode": "awsvpc",
                "IPv4Addresses": [task.address],
                "AttachmentIndex": 0,
                "MACAddress": task.interface.mac_address,
                "IPv4SubnetCIDRBlock": subnet.cidr_block,
                "PrivateDNSName": f"ip-{task.address.replace('.', '-')}.ec2.internal",
            }
        ],
    }


def handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    """Return an HTTP handler over the service."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: tasks ask often."""

        def do_GET(self) -> None:
            self._send(*endpoint.get(self.client_address[0], self.path.rstrip("/")))

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._send(*endpoint.put(self.client_address[0], self.path.rstrip("/"), body))

        def _send(self, status: int, found: Tree) -> None:
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def serve_endpoint(endpoint: Endpoint, address: str) -> ThreadingHTTPServer:
    """Return a server of the endpoint, listening."""
    server = ThreadingHTTPServer((address, 80), handler(endpoint))
    server.daemon_threads = True
    return server
