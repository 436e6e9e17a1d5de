"""Names that a drill hides: it waits until they are, without Run Command, whose name may be one."""

from typing import Any, cast

import pytest

from drills.kit import dns
from drills.kit.dns import hide_names, resolves
from tests.unit.drills.test_run import a_cluster


class Zones:
    """Route 53, with the private zones that there are now."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def create_hosted_zone(self, **given: Any) -> Any:
        assert given["VPC"] == {"VPCRegion": "us-east-1", "VPCId": "vpc-1"}
        self.names.append(given["Name"])
        return {"HostedZone": {"Id": given["Name"]}}

    def delete_hosted_zone(self, **given: str) -> None:
        self.names.remove(given["Id"])


def test_a_name_is_found_or_not() -> None:
    assert resolves("localhost")
    assert not resolves("no-such-name.invalid")


def test_names_are_hidden_until_the_end_of_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    zones, cluster = Zones(), a_cluster()
    cluster.clients = cast(Any, {"route53": zones}.__getitem__)
    foundation = type("Found", (), {"vpc_id": "vpc-1"})
    monkeypatch.setattr(dns, "find_foundation", lambda *_: foundation)
    monkeypatch.setattr(dns, "resolves", lambda name: name not in zones.names)

    with hide_names(cluster, "ssm.test", "s3.test"):
        assert zones.names == ["ssm.test", "s3.test"]
        assert cluster.faults == ["ssm.test, s3.test cannot be resolved"]

    assert zones.names == []
