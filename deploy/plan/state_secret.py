"""Decide where the password of the Redis that keeps Ray's state comes from. Pure: no AWS.

It is in a parameter of its own: docs/adr/0006-stored-state.md. A Redis from before that has Ray's
token as its password. It goes on with it: the parameter starts as a copy, and each of the two is
changed by itself from then on.
"""

from common.errors import Refused
from deploy.cluster.state import ClusterState
from deploy.plan.desired_state import DesiredState
from deploy.plan.steps import CreateStateSecret, Step


def create_state_secret(desired: DesiredState, state: ClusterState) -> tuple[Step, ...]:
    """Return the step that creates the password, unless it exists or no Redis needs one.

    Raises Refused when a Redis exists whose password is in no parameter that is known.
    """
    environment = desired.environment
    name, given = environment.state_secret, environment.head.redis
    if state.state_secret or not environment.head.has_redis:
        return ()
    made = state.foundation.state_address if state.foundation else ""
    if not (given or made):
        return (CreateStateSecret(f"secret {name}", "generated, never shown", "+", ""),)
    source = state.password_of(given) if given else _made_with(desired, state)
    if source in ("", name):
        raise Refused(
            f"there is no secret {name} with the password of the Redis {given or made}",
            hint="store it there as a SecureString (aws ssm put-parameter --cli-input-json "
            "file://…), then deploy again",
        )
    return (CreateStateSecret(f"secret {name}", f"a copy of {source}", "+", source),)


def _made_with(desired: DesiredState, state: ClusterState) -> str:
    """Return the parameter with the password that the foundation's Redis was created with."""
    recorded = state.foundation.state_secret if state.foundation else ""
    return recorded or desired.environment.secret
