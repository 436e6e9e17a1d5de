"""Regions whose zones do not all have the same endpoint services."""

from typing import Any

import pytest
from moto.ec2.models import EC2Backend


def serve(monkeypatch: pytest.MonkeyPatch, service: str, *zones: str) -> None:
    """Have a service's endpoints in these zones alone; without one, not in the region."""
    collect = EC2Backend._collect_default_endpoint_services

    def fewer(account_id: str, region: str) -> list[dict[str, Any]]:
        name = f"com.amazonaws.{region}.{service}"
        return [
            one | {"AvailabilityZones": list(zones)} if one["ServiceName"] == name else one
            for one in collect(account_id, region)
            if zones or one["ServiceName"] != name
        ]

    monkeypatch.setattr(EC2Backend, "_collect_default_endpoint_services", staticmethod(fewer))
