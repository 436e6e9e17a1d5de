"""Times in the forms that AWS and moto use. Pure: no clock."""

from datetime import UTC, datetime


def moment(seconds: float) -> datetime:
    """Return a time, given in seconds since the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def naive(seconds: float) -> datetime:
    """Return a time in UTC without its zone, as moto keeps times."""
    return moment(seconds).replace(tzinfo=None)


def stamp(seconds: float) -> str:
    """Return a time as AWS writes it into texts: ``2026-01-31T12:00:00Z``."""
    return moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
