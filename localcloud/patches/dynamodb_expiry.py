"""DynamoDB deletes items whose time has come, some time later.

Follows "Using time to live (TTL) in DynamoDB" (docs.aws.amazon.com/amazondynamodb/latest/
developerguide/howitworks-ttl.html: "within a few days of their expiration") and "Computing TTL"
(.../time-to-live-ttl-before-you-start.html: a number of seconds since the epoch; items that expired
more than five years ago are kept). Here a minute after; moto never does.
"""

from typing import Any

from moto.dynamodb.models import dynamodb_backends

from localcloud.world import World

LATE_SECONDS = 60.0
EVERY = 10.0
OLDEST = 5 * 365 * 86_400.0


def expire(now: float) -> None:
    """Delete what expired a minute ago."""
    backends = [backend for each in list(dynamodb_backends.values()) for backend in each.values()]
    for table in [table for backend in backends for table in backend.tables.values()]:
        name = table.ttl.get("AttributeName")
        if table.ttl["TimeToLiveStatus"] == "ENABLED" and name:
            for item in list(table.all_items()):
                if _has_expired(item, name, now):
                    table.delete_item(item.hash_key, item.range_key)


def _has_expired(item: Any, name: str, now: float) -> bool:
    value = item.attrs.get(name)
    if value is None or value.type != "N":
        return False
    age = now - float(value.value)
    return LATE_SECONDS <= age < OLDEST


def install() -> None:
    """Nothing of moto's is replaced."""


def attach(world: World) -> None:
    """Look every ten seconds."""
    due = [float("-inf")]

    def step(now: float) -> None:
        if now >= due[0]:
            due[0] = now + EVERY
            expire(now)

    world.reconcilers.append(step)
