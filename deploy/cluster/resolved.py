"""Resolve names in the VPC: on an instance, by its resolver. Touches AWS."""

from common.clients import Clients
from common.waiting import Clock
from deploy.cluster.run_command import run_command

# A line with each name and a colon, then a line with each of its addresses. The instance's own
# /etc/hosts is not asked: getent(1), --service.
SCRIPT = 'for name in {names}; do echo "$name:"; getent --service=dns ahostsv4 "$name"; done; true'


def resolve_on(
    clients: Clients, instance_id: str, *names: str, clock: Clock
) -> dict[str, frozenset[str]]:
    """Return the IPv4 addresses that the VPC's resolver gives for each name; none if it has none.

    Raises as ``run_command`` does.
    """
    script = SCRIPT.format(names=" ".join(names))
    ran = run_command(clients, instance_id, script, clock=clock)
    found: dict[str, set[str]] = {name: set() for name in names}
    name = ""
    for line in ran.stdout.splitlines():
        if line.endswith(":"):
            name = line.removesuffix(":")
        elif line.strip() and name in found:
            found[name].add(line.split()[0])
    return {name: frozenset(addresses) for name, addresses in found.items()}
