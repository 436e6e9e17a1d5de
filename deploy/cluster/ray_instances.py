"""The instances that are Ray's nodes. Reads AWS only."""

from common.clients import Clients
from common.environment import Environment
from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.state import find_lease


def ray_instances(clients: Clients, environment: Environment) -> dict[str, Instance]:
    """Return the running leader and workers, by private address."""
    lease = find_lease(clients, environment)
    leader = lease.holder if lease else ""
    found = find_instances(clients, environment.name)
    nodes = [i for i in found if i.state == "running" and (i.role == "worker" or i.id == leader)]
    return {instance.address: instance for instance in nodes}
