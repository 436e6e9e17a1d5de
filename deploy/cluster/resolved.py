"""Resolve names in the VPC: on an instance, by its resolver. Touches AWS."""

from common.clients import Clients
from common.waiting import Clock
from deploy.cluster.run_command import run_command


def resolve_on(clients: Clients, instance_id: str, name: str, *, clock: Clock) -> frozenset[str]:
    """Return the IPv4 addresses that the VPC's resolver gives for a name; none if it has none.

    The instance's own /etc/hosts is not asked (getent(1), ``--service``).
    """
    asked = f"getent --service=dns ahostsv4 {name}"
    ran = run_command(clients, instance_id, asked, clock=clock)
    return frozenset(line.split()[0] for line in ran.stdout.splitlines() if line.strip())
