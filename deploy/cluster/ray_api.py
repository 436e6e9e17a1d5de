"""Ray's dashboard API on the leader, authenticated by the cluster's token.

AWS is used only to reach the leader; Ray is not imported. The paths are Ray 2.60's,
``dashboard/modules/job/job_head.py`` and ``state/state_head.py``; the token is sent as
``http_token_authentication.py`` expects it.

Rows of a list are those of ``ray/util/state/common.py``. Every list is requested whole: by default
Ray returns 100 rows in no defined order (``DEFAULT_LIMIT``).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError

from common.errors import PipelineError, Refused
from deploy.reach.plugin import NotReached
from deploy.reach.road import Road
from node.contract import DASHBOARD_PORT, HEAD_NODE_TYPE, NODE_GROUP_LABEL

TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)
FINISHED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
LIMIT = 10_000  # rows; the maximum of Ray's server (RAY_MAX_LIMIT_FROM_API_SERVER)
# A driver asks for the head by this (node/ray/dashboard_agent.py).
ON_HEAD = {NODE_GROUP_LABEL: HEAD_NODE_TYPE}
# Ray runs each submitted job's command under a separate actor (dashboard/modules/job/common.py).
SUPERVISORS = "SUPERVISOR_ACTOR_RAY_NAMESPACE"


class Unreachable(PipelineError):
    """Ray does not answer, or not correctly, at the moment; a later attempt may succeed."""


class TokenRefused(Refused):
    """Ray has another token than the secret has now."""


@dataclass(frozen=True)
class RayNode:
    """A node in Ray's view; amounts of memory among its total ``resources`` are bytes."""

    id: str
    address: str
    is_head: bool
    state: str
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_alive(self) -> bool:
        """Ray schedules on it."""
        return self.state == "ALIVE"

    @property
    def leads(self) -> bool:
        """It is the head, and alive."""
        return self.is_head and self.is_alive

    @property
    def works(self) -> bool:
        """It is a worker, and alive."""
        return self.is_alive and not self.is_head


@dataclass(frozen=True)
class Job:
    """The status of a submitted job."""

    id: str
    status: str
    message: str

    @property
    def is_finished(self) -> bool:
        """Its status is final."""
        return self.status in FINISHED

    @property
    def succeeded(self) -> bool:
        """Its entrypoint exited with 0."""
        return self.status == "SUCCEEDED"


@dataclass(frozen=True)
class SubmittedJob:
    """A submitted job as Ray lists it; ``error_type`` is Ray's JobErrorType, or empty."""

    id: str
    status: str
    entrypoint: str
    error_type: str
    started: float  # seconds since the epoch; 0 before it started


@dataclass(frozen=True)
class RunningJob:
    """A job that has not ended: a submitted one, or a driver that connected directly.

    ``node_id`` is where its command runs; Ray knows it only for submitted jobs.
    """

    id: str
    node_id: str


@dataclass(frozen=True)
class Actor:
    """A live actor; ``name`` is empty when it has none."""

    id: str
    class_name: str
    name: str
    node_id: str

    @property
    def words(self) -> str:
        """Return the name that its owner recognizes."""
        return f"{self.class_name} {self.name}" if self.name else self.class_name


@dataclass(frozen=True)
class PlacementGroup:
    """A placement group, and the nodes on which it reserves resources."""

    id: str
    name: str
    node_ids: tuple[str, ...]

    @property
    def words(self) -> str:
        """Return the name that its owner recognizes."""
        return self.name or self.id[:12]


class RayApi:
    """The dashboard at ``http://host:port``; each call opens a connection to the current leader.

    ``road`` leads there from outside of the VPC; without one, the host is reached by its name.
    """

    def __init__(
        self, host: str, token: str, *, port: int = DASHBOARD_PORT, road: Road | None = None
    ) -> None:
        self.base = f"http://{host}:{port}"
        self._road, self._port = road, port
        self._pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT)
        # A connection that is kept open might lead to a former head.
        self._headers = {"Authorization": f"Bearer {token}", "Connection": "close"}

    @property
    def way(self) -> str:
        """How the leader is reached from here, in a few words."""
        return self._road.words if self._road else "directly"

    def nodes(self) -> tuple[RayNode, ...]:
        """Return the nodes that Ray knows, dead ones included; the head first."""
        nodes = [
            RayNode(
                id=row["node_id"],
                address=row["node_ip"],
                is_head=bool(row["is_head_node"]),
                state=row["state"],
                resources=row.get("resources_total") or {},
                labels=row.get("labels") or {},
            )
            for row in self._rows("nodes")
        ]
        return tuple(sorted(nodes, key=lambda node: (not node.is_head, node.address)))

    def submit(self, entrypoint: str, submission_id: str, *, on_head: bool = False) -> None:
        """Submit a shell command as a job; Ray accepts each id only once.

        Its driver runs on a worker, and one is launched if there is none, or on the head.
        """
        body: dict[str, Any] = {"entrypoint": entrypoint, "submission_id": submission_id}
        if on_head:
            body["entrypoint_label_selector"] = ON_HEAD
        self._call("POST", "/api/jobs/", body)

    def job(self, submission_id: str) -> Job:
        """Return the job's status."""
        found = self._call("GET", f"/api/jobs/{quote(submission_id)}")
        return Job(submission_id, found["status"], found.get("message") or "")

    def submitted_jobs(self) -> tuple[SubmittedJob, ...]:
        """Return the jobs that were submitted, oldest first; no drivers that connected directly."""
        jobs = [
            SubmittedJob(
                id=row["submission_id"],
                status=row["status"],
                entrypoint=row["entrypoint"],
                error_type=row.get("error_type") or "",
                started=(row.get("start_time") or 0) / 1000,
            )
            for row in self._call("GET", "/api/jobs/")
            if row["submission_id"]
        ]
        return tuple(sorted(jobs, key=lambda job: (job.started, job.id)))

    def running_jobs(self) -> tuple[RunningJob, ...]:
        """Return the jobs that have not ended, pending ones included."""
        found = self._call("GET", "/api/jobs/")
        return tuple(
            RunningJob(job["submission_id"] or job["job_id"], job["driver_node_id"] or "")
            for job in found
            if job["status"] not in FINISHED
        )

    def actors(self) -> tuple[Actor, ...]:
        """Return the live actors, without Ray's own supervisors of submitted jobs."""
        return tuple(
            Actor(row["actor_id"], row["class_name"], row["name"] or "", row["node_id"] or "")
            for row in self._rows("actors", state="ALIVE")
            if row["ray_namespace"] != SUPERVISORS
        )

    def placement_groups(self) -> tuple[PlacementGroup, ...]:
        """Return the placement groups that reserve resources."""
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
        """Return a list of the state API; ``detail`` adds Ray's detail columns."""
        query = {"limit": str(LIMIT)}
        if detail:
            query["detail"] = "true"
        if state:
            query |= {"filter_keys": "state", "filter_predicates": "=", "filter_values": state}
        answer = self._call("GET", f"/api/v0/{what}?{urlencode(query)}")
        return list(answer["data"]["result"]["result"])

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        url = self.base + path
        try:
            here = self._reached() + path
            answer = self._pool.request(method, here, headers=self._headers, json=body)
        except NotReached as error:
            raise Unreachable(error.message, hint=error.hint) from error
        except HTTPError as error:
            raise Unreachable(f"{url}: {error}") from error
        _check(url, answer.status, answer.data)
        try:
            return json.loads(answer.data)
        except ValueError as error:
            raise Unreachable(f"{url} did not answer with JSON: {answer.data[:200]!r}") from error

    def _reached(self) -> str:
        """Return the base of URLs from here; raises NotReached."""
        if self._road is None:
            return self.base
        host, port = self._road.address(self._port)
        return f"http://{host}:{port}"


def alive_workers(api: RayApi) -> tuple[RayNode, ...]:
    """Return the workers that Ray schedules on; raises as ``RayApi.nodes`` does."""
    return tuple(node for node in api.nodes() if node.works)


def _check(url: str, status: int, body: bytes) -> None:
    if status in (401, 403):
        raise TokenRefused(
            f"{url} refuses the token: {body[:200].decode(errors='replace')}",
            hint="was the secret changed? Ray reads it when it starts: invoke token.rotate",
        )
    if status != 200:
        raise Unreachable(f"{url} answered {status}: {body[-500:].decode(errors='replace')}")
