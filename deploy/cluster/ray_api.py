"""Talk to a cluster's Ray as an operator does: its dashboard's API at the stable name, by token.

No AWS and no Ray on this side. The paths are Ray 2.60's, ``dashboard/modules/job/job_head.py``
and ``state/state_head.py``; the token goes where ``http_token_authentication.py`` looks for it.
Rows of a list are those of ``ray/util/state/common.py``; a list is asked for whole, since Ray
cuts it at 100 rows of whatever order otherwise (``DEFAULT_LIMIT``).
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.errors import PipelineError, Refused
from node.contract import DASHBOARD_PORT

TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)
FINISHED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
LIMIT = 10_000  # rows; what Ray's server allows at most (RAY_MAX_LIMIT_FROM_API_SERVER)
# Ray runs each submitted job's command under an actor of its own (dashboard/modules/job/common.py).
SUPERVISORS = "SUPERVISOR_ACTOR_RAY_NAMESPACE"


class Unreachable(PipelineError):
    """Nobody answers there, or not sensibly, at the moment; a later try may succeed."""


@dataclass(frozen=True)
class RayNode:
    """A node as Ray sees it."""

    id: str
    address: str
    is_head: bool
    state: str

    @property
    def is_alive(self) -> bool:
        """Ray schedules on it."""
        return self.state == "ALIVE"

    @property
    def leads(self) -> bool:
        """It is a head that is alive."""
        return self.is_head and self.is_alive

    @property
    def works(self) -> bool:
        """It is a worker that is alive."""
        return self.is_alive and not self.is_head


@dataclass(frozen=True)
class Job:
    """How far a submitted job is."""

    id: str
    status: str
    message: str

    @property
    def is_finished(self) -> bool:
        """It will not change any more."""
        return self.status in FINISHED

    @property
    def succeeded(self) -> bool:
        """Its entry point ended with 0."""
        return self.status == "SUCCEEDED"


@dataclass(frozen=True)
class RunningJob:
    """A job that has not ended: a submitted one, or a driver that has connected by itself.

    ``node_id`` is where its command runs; Ray knows it of submitted jobs alone.
    """

    id: str
    node_id: str


@dataclass(frozen=True)
class Actor:
    """A living actor; ``name`` is empty when its program gave it none."""

    id: str
    class_name: str
    name: str
    node_id: str

    @property
    def words(self) -> str:
        """Return what its owner knows it by."""
        return f"{self.class_name} {self.name}" if self.name else self.class_name


@dataclass(frozen=True)
class PlacementGroup:
    """Resources held together, and the nodes on which they are held."""

    id: str
    name: str
    node_ids: tuple[str, ...]

    @property
    def words(self) -> str:
        """Return what its owner knows it by."""
        return self.name or self.id[:12]


class RayApi:
    """The dashboard at ``http://host:port``; every call is one connection, to whoever leads now."""

    def __init__(self, host: str, token: str, *, port: int = DASHBOARD_PORT) -> None:
        self.base = f"http://{host}:{port}"
        self._pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT)
        # A kept connection would lead to a head that may no longer be there.
        self._headers = {"Authorization": f"Bearer {token}", "Connection": "close"}

    def nodes(self) -> tuple[RayNode, ...]:
        """Return the nodes that Ray knows, dead ones included; the head first."""
        found = self._rows("nodes")
        nodes = [
            RayNode(n["node_id"], n["node_ip"], bool(n["is_head_node"]), n["state"]) for n in found
        ]
        return tuple(sorted(nodes, key=lambda node: (not node.is_head, node.address)))

    def submit(self, entrypoint: str, submission_id: str) -> None:
        """Have a shell command run on the cluster, under an id that Ray takes only once."""
        body = {"entrypoint": entrypoint, "submission_id": submission_id}
        self._call("POST", "/api/jobs/", body)

    def job(self, submission_id: str) -> Job:
        """Return how far the job is."""
        found = self._call("GET", f"/api/jobs/{quote(submission_id)}")
        return Job(submission_id, found["status"], found.get("message") or "")

    def running_jobs(self) -> tuple[RunningJob, ...]:
        """Return the jobs that have not ended, those that have yet to start included."""
        found = self._call("GET", "/api/jobs/")
        return tuple(
            RunningJob(job["submission_id"] or job["job_id"], job["driver_node_id"] or "")
            for job in found
            if job["status"] not in FINISHED
        )

    def actors(self) -> tuple[Actor, ...]:
        """Return the living actors, without those that Ray runs submitted jobs with."""
        return tuple(
            Actor(row["actor_id"], row["class_name"], row["name"] or "", row["node_id"] or "")
            for row in self._rows("actors", state="ALIVE")
            if row["ray_namespace"] != SUPERVISORS
        )

    def placement_groups(self) -> tuple[PlacementGroup, ...]:
        """Return the placement groups that hold resources."""
        return tuple(
            PlacementGroup(
                row["placement_group_id"],
                row["name"] or "",
                tuple(sorted({bundle["node_id"] for bundle in row["bundles"]})),
            )
            for row in self._rows("placement_groups", state="CREATED", detail=True)
        )

    def logs(self, submission_id: str) -> str:
        """Return what the job has printed so far."""
        return str(self._call("GET", f"/api/jobs/{quote(submission_id)}/logs")["logs"])

    def _rows(self, what: str, *, state: str = "", detail: bool = False) -> list[dict[str, Any]]:
        """Return a list of the state API's; ``detail`` adds the columns that Ray calls so."""
        asked = {"limit": str(LIMIT)}
        if detail:
            asked["detail"] = "true"
        if state:
            asked |= {"filter_keys": "state", "filter_predicates": "=", "filter_values": state}
        answer = self._call("GET", f"/api/v0/{what}?{urlencode(asked)}")
        return list(answer["data"]["result"]["result"])

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        url = self.base + path
        try:
            answer = self._pool.request(method, url, headers=self._headers, json=body)
        except HTTPError as error:
            raise Unreachable(f"{url}: {error}") from error
        _check(url, answer.status, answer.data)
        try:
            return json.loads(answer.data)
        except ValueError as error:
            raise Unreachable(f"{url} answered no JSON: {answer.data[:200]!r}") from error


def alive_workers(api: RayApi) -> tuple[RayNode, ...]:
    """Return the workers that Ray schedules on; raises as ``RayApi.nodes`` does."""
    return tuple(node for node in api.nodes() if node.works)


def _check(url: str, status: int, body: bytes) -> None:
    if status in (401, 403):
        raise Refused(
            f"{url} refuses the token: {body[:200].decode(errors='replace')}",
            hint="was the secret changed? Ray reads it at its next start",
        )
    if status != 200:
        raise Unreachable(f"{url} answered {status}: {body[-500:].decode(errors='replace')}")


def ray_api(clients: Clients, environment: Environment) -> RayApi:
    """Return Ray's API at the stable name, with the cluster's token.

    Raises Refused when there is no token yet.
    """
    with translated(f"reading the secret {environment.secret}"):
        try:
            found = clients("ssm").get_parameter(Name=environment.secret, WithDecryption=True)
        except ClientError as error:
            if error_code(error) != "ParameterNotFound":
                raise
            raise Refused(
                f"there is no secret {environment.secret}",
                hint=f"is there a cluster? `invoke deploy --env {environment.name}` makes both",
            ) from error
    return RayApi(environment.head_dns, found["Parameter"]["Value"])
