"""Spot interruptions and rebalance recommendations, on request, as metadata of an instance.

Follows https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
(instance-action in the metadata, on a best-effort basis two minutes before; then the instance is
terminated) and https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
(events/recommendations/rebalance, with or before that notice). moto has neither. Another process
writes each instance, and when it is terminated or was recommended to be replaced (seconds since the
epoch), to two files (``follow``, ``follow_recommendations``), as the Fault Injection Service does
for spot instances.
"""

import json
from typing import Any

from localcloud.account import ec2_backend
from localcloud.declarations import Declarations
from localcloud.patches import internal
from localcloud.times import stamp
from localcloud.world import World

NOTICE = 120.0  # seconds

_announced = Declarations()
follow = _announced.follow  # per line an instance and a time
_recommended = Declarations()
follow_recommendations = _recommended.follow  # per line an instance and a time


def notice_of(instance: Any) -> dict[str, str]:
    """Return the metadata of a spot instance that is to be interrupted, by path."""
    at = _time_of(instance, _announced)
    if at is None:
        return {}
    time = stamp(float(at))
    return {
        "spot/instance-action": json.dumps({"action": "terminate", "time": time}),
        "spot/termination-time": time,
    }


def recommendation_of(instance: Any) -> dict[str, str]:
    """Return the metadata of a spot instance that is at elevated risk of interruption, by path."""
    at = _time_of(instance, _recommended)
    if at is None:
        return {}
    notice = json.dumps({"noticeTime": stamp(float(at))})
    return {"events/recommendations/rebalance": notice}


def _time_of(instance: Any, declared: Declarations) -> str | None:
    return dict(declared.pairs()).get(instance.id) if _is_on_spot(instance) else None


def _is_on_spot(instance: Any) -> bool:
    """Say whether AWS may interrupt an instance at all."""
    return bool(instance.lifecycle == "spot")


def _terminate_due(now: float) -> None:
    due = {instance_id for instance_id, at in _announced.pairs() if now >= float(at)}
    for instance in ec2_backend().all_instances() if due else ():
        living = instance.state in ("pending", "running")
        if living and instance.id in due and _is_on_spot(instance):
            internal.call("ec2", "terminate_instances", InstanceIds=[instance.id])


def install() -> None:
    """Nothing of moto's is replaced."""


def attach(world: World) -> None:
    """Terminate interrupted instances when their time has come."""
    follow(None)
    follow_recommendations(None)
    world.reconcilers.append(_terminate_due)
