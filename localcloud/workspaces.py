"""The endpoint of Amazon Managed Prometheus' workspaces: RemoteWrite, and two queries.

Follows docs.aws.amazon.com/prometheus/latest/userguide/AMP-APIReference-RemoteWrite.html and
AMP-APIReference-Prometheus-Compatible-Apis.html; the actions and their resource are those of the
Service Authorization Reference, list_amazonmanagedserviceforprometheus.html. moto has workspaces,
but not what is in them. Of each series the last few samples are kept.
"""

import math
import re
import struct
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

from moto.amp.models import amp_backends
from moto.core.request import Request

from localcloud import world
from localcloud.account import ACCOUNT, REGION
from localcloud.patches import iam
from localcloud.snappy import unpacked
from node.ray.protobuf import decoded

HOST = f"aps-workspaces.{REGION}.amazonaws.com"
PATH = re.compile(r"/workspaces/(?P<id>ws-[\w-]+)/api/v1/(?P<call>remote_write|query)")
CALLS = {"remote_write": "RemoteWrite", "query": "QueryMetrics"}
_NAME = r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
LAST, COUNT = re.compile(_NAME), re.compile(rf"count_over_time\({_NAME}\[(?P<minutes>\d+)m\]\)")
KEPT, MOST_MINUTES = 40, 10  # one sample every 15 s
MOST = 64 << 20  # bytes of a request, unpacked
# The remote write specification: prometheus.io/docs/specs/prw/remote_write_spec/#protocol
SENT_AS = {"content-encoding": "snappy", "content-type": "application/x-protobuf"}
# A series whose last sample is older is not returned, and none with a marker of its end:
# prometheus.io/docs/prometheus/latest/querying/basics/#staleness
LOOKBACK_SECONDS = 300.0
STALE = 0x7FF0000000000002

Labels = tuple[tuple[str, str], ...]
Reply = tuple[str, dict[str, Any]]  # status line, and the body


# Of each series the last samples: seconds since the epoch, and value.
Series = dict[Labels, deque[tuple[float, float]]]


def is_for(environ: dict[str, Any]) -> bool:
    """Say whether a request is sent to this endpoint."""
    return str(environ.get("HTTP_HOST", "")).partition(":")[0] == HOST


def answer(environ: dict[str, Any]) -> Reply:
    """Answer one request; its body is in the environment."""
    request = Request(environ)
    found = PATH.fullmatch(request.path)
    if not found or (found["call"] == "remote_write" and request.method != "POST"):
        return "404 Not Found", {"message": f"no such call: {request.method} {request.path}"}
    arn = f"arn:aws:aps:{REGION}:{ACCOUNT}:workspace/{found['id']}"
    if refused := iam.refusal(request, "aps", f"aps:{CALLS[found['call']]}", arn):
        return "403 Forbidden", {"message": refused}
    workspace = amp_backends[ACCOUNT][REGION].workspaces.get(found["id"])
    if workspace is None:
        return "404 Not Found", {"message": f"Workspace not found, workspace_id: {found['id']}"}
    if not hasattr(workspace, "series"):
        workspace.series = {}
    if found["call"] == "query":
        return _queried(workspace.series, request)
    return _written(workspace.series, request)


def _written(series: Series, request: Any) -> Reply:
    for name, wanted in SENT_AS.items():
        if (sent := request.headers.get(name, "")) != wanted:
            return "400 Bad Request", {"message": f"{name} is {sent!r}, not {wanted}"}
    try:
        for labels, at, value in samples_in(unpacked(request.data, MOST)):
            series.setdefault(labels, deque(maxlen=KEPT)).append((at, value))
    except ValueError as error:
        return "400 Bad Request", {"message": str(error)}
    return "200 OK", {}


def samples_in(message: bytes) -> Iterator[tuple[Labels, float, float]]:
    """Yield labels, time and value of each sample of a WriteRequest.

    https://github.com/prometheus/prometheus/blob/v2.42.0/prompb/types.proto: timeseries 1; in it
    labels 1 (name 1, value 2) and samples 2 (value 1, a double; timestamp 2, milliseconds).
    """
    for number, series in decoded(message):
        if number != 1 or not isinstance(series, bytes):
            continue
        fields = [(key, value) for key, value in decoded(series) if isinstance(value, bytes)]
        pairs = (dict(decoded(label)) for key, label in fields if key == 1)
        labels = tuple(sorted((_text(pair.get(1)), _text(pair.get(2))) for pair in pairs))
        for sample in (dict(decoded(value)) for key, value in fields if key == 2):
            (value,) = struct.unpack("<d", bytes(sample.get(1) or 8))
            yield labels, int(sample.get(2, 0)) / 1000, value


def _text(value: Any) -> str:
    return bytes(value or b"").decode()


def _queried(series: Series, request: Any) -> Reply:
    """Answer what each series of a name is now, or how many samples it has of the last minutes."""
    sent = request.data.decode() if request.method == "POST" else request.query_string.decode()
    (query,) = parse_qs(sent).get("query", [""])
    last, count = LAST.fullmatch(query), COUNT.fullmatch(query)
    asked = last or count
    if not asked or (count and int(count["minutes"]) > MOST_MINUTES):
        raise NotImplementedError(f"the query {query}")
    since = world.now() - (60.0 * int(count["minutes"]) if count else LOOKBACK_SECONDS)
    result = []
    for labels, kept in sorted(series.items()):
        samples = [sample for sample in kept if sample[0] >= since and not _is_stale(sample[1])]
        if ("__name__", asked["name"]) not in labels or not samples or _is_stale(kept[-1][1]):
            continue
        at, value = (world.now(), len(samples)) if count else samples[-1]
        named = {key: text for key, text in labels if not count or key != "__name__"}
        result.append({"metric": named, "value": [at, str(value)]})
    return "200 OK", {"status": "success", "data": {"resultType": "vector", "result": result}}


def _is_stale(value: float) -> bool:
    return math.isnan(value) and struct.unpack("<Q", struct.pack("<d", value))[0] == STALE
