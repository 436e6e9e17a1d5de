"""Hand the head lease to another head. Touches AWS (DynamoDB): only names the successor.

The holder reads who its successor is when it renews, stops Ray, and releases the lease; the
successor takes it at once (node/lease/lease.py). A deployer never writes who holds the lease.
"""

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.errors import TimedOut, Unhealthy
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.state import Lease, find_lease
from node.contract import LEASE_EPOCH, LEASE_KEY, LEASE_RELEASED, LEASE_SUCCESSOR

# A holder renews every two seconds and then stops Ray; the lease of a dead one lapses after ten.
SECONDS = 60.0
EVERY = 0.25


def hand_over(
    clients: Clients,
    environment: Environment,
    successors: tuple[str, ...],
    *,
    clock: Clock,
    progress: Progress,
) -> Lease:
    """Name the first of ``successors``; wait until one of them holds the lease, and return it.

    Raises Unhealthy if another head takes the lease, as when the successor has died, or TimedOut;
    then the hand-over is cancelled.
    """
    named: int | None = None  # the epoch in which the successor was named

    def look() -> Seen[Lease]:
        nonlocal named
        lease = find_lease(clients, environment)
        if lease is None:
            return Seen(None, "no head has ever held the lease")
        if lease.holder in successors and not lease.released:
            return Seen(lease, f"{lease.holder} leads")
        if named not in (None, lease.epoch):
            raise Unhealthy(
                f"{lease.holder} took the lease, which was to go to {', '.join(successors)}",
                hint="`journalctl -u ray-head` on the new head says why it did not take it",
            )
        if lease.successor not in successors and not lease.released:
            name_successor(clients, environment, lease, successors[0])
        named = lease.epoch
        return Seen(
            None, f"{lease.holder} {'has released the lease' if lease.released else 'still leads'}"
        )

    try:
        return wait_for(
            f"the head lease of {environment.name} held by {', '.join(successors)}",
            look,
            clock=clock,
            seconds=SECONDS,
            every=EVERY,
            hint="`journalctl -u ray-head` on both heads says why",
            progress=progress.say,
        )
    except (TimedOut, Unhealthy):
        cancel_hand_over(clients, environment, successors)
        raise


def name_successor(
    clients: Clients, environment: Environment, lease: Lease, successor: str
) -> None:
    """Name the successor, if the lease is still as seen; otherwise the next look decides."""
    _update(
        clients,
        environment,
        f"SET {LEASE_SUCCESSOR} = :successor",
        f"{LEASE_EPOCH} = :epoch AND {LEASE_RELEASED} = :no",
        {
            ":successor": {"S": successor},
            ":epoch": {"N": str(lease.epoch)},
            ":no": {"BOOL": False},
        },
    )


def cancel_hand_over(
    clients: Clients, environment: Environment, successors: tuple[str, ...]
) -> None:
    """Remove the successor from the lease, if it is one of these."""
    for successor in successors:
        _update(
            clients,
            environment,
            f"REMOVE {LEASE_SUCCESSOR}",
            f"{LEASE_SUCCESSOR} = :successor",
            {":successor": {"S": successor}},
        )


def _update(
    clients: Clients,
    environment: Environment,
    change: str,
    condition: str,
    values: dict[str, dict[str, object]],
) -> None:
    """Change the lease's item if the condition holds."""
    with translated(f"writing the head lease in {environment.lease_table}"):
        try:
            clients("dynamodb").update_item(
                TableName=environment.lease_table,
                Key={LEASE_KEY: {"S": environment.name}},
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
