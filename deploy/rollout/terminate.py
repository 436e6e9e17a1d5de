"""Terminate instances. Touches AWS (EC2)."""

from collections.abc import Sequence

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.waiting import Seen
from deploy.cluster.instances import find_instances
from deploy.rollout.cluster_access import ClusterAccess

# As many as one request should name.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html
AT_ONCE = 1000
# A shutdown may take minutes; EC2 then forces it.
GONE_SECONDS = 1200


def terminate_instances(clients: Clients, instance_ids: Sequence[str]) -> None:
    """Terminate these instances; if one is already gone, the caller's next look shows what is left.

    EC2 terminates none of a request that names an unknown instance.
    """
    for begin in range(0, len(instance_ids), AT_ONCE):
        with translated("terminating instances"):
            try:
                clients("ec2").terminate_instances(
                    InstanceIds=list(instance_ids[begin : begin + AT_ONCE])
                )
            except ClientError as error:
                if error_code(error) != "InvalidInstanceID.NotFound":
                    raise


def terminate_all(access: ClusterAccess, *, hint: str) -> None:
    """Terminate instances until none is left: a head may launch workers until it is gone."""
    name = access.environment.name

    def look() -> Seen[bool]:
        left = find_instances(access.clients, name)
        running = [i.id for i in left if i.state != "shutting-down"]
        if running:
            terminate_instances(access.clients, running)
        words = ", ".join(f"{i.role} {i.id} {i.state}" for i in left)
        return Seen(None if left else True, words)

    access.wait_until(f"no instances of {name}", look, seconds=GONE_SECONDS, hint=hint)
