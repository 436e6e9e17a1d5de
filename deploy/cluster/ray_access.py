"""Access to Ray on an environment's leader: its token, and the road there. Touches AWS."""

from functools import partial
from weakref import WeakKeyDictionary

from common.clients import Clients
from common.environment import Environment
from deploy.cluster.head_group import has_no_heads
from deploy.cluster.ray_api import RayApi
from deploy.cluster.secret import secret_value
from deploy.cluster.state import find_lease
from deploy.foundation.pause import paused_error
from deploy.reach.road import Road

_roads: WeakKeyDictionary[Clients, dict[str, Road]] = WeakKeyDictionary()


def ray_api(clients: Clients, environment: Environment) -> RayApi:
    """Return Ray's API on whoever leads, with the cluster's token.

    Raises Refused when there is no token yet.
    """
    token = cluster_token(clients, environment)
    return RayApi(environment.head_dns, token, road=road_to(clients, environment))


def road_to(clients: Clients, environment: Environment) -> Road:
    """Return the one road of these clients to the environment's leader."""
    roads = _roads.setdefault(clients, {})
    if environment.name not in roads:
        leader = partial(_leader, clients, environment)
        roads[environment.name] = Road(clients, environment.head_dns, leader)
    return roads[environment.name]


def open_road(clients: Clients, environment: Environment) -> Road:
    """Return that road; raises Refused when the cluster is paused."""
    if has_no_heads(clients, environment.head_group):
        raise paused_error(environment.name)
    return road_to(clients, environment)


def _leader(clients: Clients, environment: Environment) -> str:
    lease = find_lease(clients, environment)
    return lease.holder if lease and not lease.released else ""


def cluster_token(clients: Clients, environment: Environment) -> str:
    """Return the token of the cluster's Ray; raises Refused when there is none yet."""
    hint = f"is there a cluster? `invoke deploy --env {environment.name}` creates both"
    return secret_value(clients, environment.secret, hint)
