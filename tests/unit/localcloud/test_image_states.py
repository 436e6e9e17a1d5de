"""Deprecated and disabled images are shown and refused as AWS documents (image_states.py)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.account import ec2_backend
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.test_ec2 import code_of

OTHERS = {"LaunchPermission": {"Add": [{"UserId": "210987654321"}]}}


@pytest.fixture
def ec2(aws: Clients) -> Any:
    return aws("ec2")


@pytest.fixture
def ami_id(ec2: Any) -> str:
    return str(ec2.register_image(Name="ours")["ImageId"])


def seen(ec2: Any, **query: Any) -> list[str]:
    return [image["State"] for image in ec2.describe_images(**query)["Images"]]


def permissions(ec2: Any, ami_id: str) -> list[dict[str, str]]:
    answer = ec2.describe_image_attribute(ImageId=ami_id, Attribute="launchPermission")
    return list(answer.get("LaunchPermissions", []))


def test_a_disabled_image_is_seen_only_by_who_asks_for_it(ec2: Any, ami_id: str) -> None:
    ec2.disable_image(ImageId=ami_id)

    assert seen(ec2, Owners=["self"]) == seen(ec2, ImageIds=[ami_id]) == []
    assert seen(ec2, Owners=["self"], IncludeDisabled=True) == ["disabled"]
    query = {"Owners": ["self"], "Filters": [{"Name": "state", "Values": ["disabled"]}]}
    assert seen(ec2, **query, IncludeDisabled=True) == ["disabled"]
    with pytest.raises(ClientError, match="'IncludeDisabled' must be set to 'true'") as refusal:
        seen(ec2, **query)
    assert code_of(refusal) == "InvalidParameter"


def test_a_disabled_image_is_not_launched_until_it_is_enabled(ec2: Any, ami_id: str) -> None:
    ec2.disable_image(ImageId=ami_id)
    with pytest.raises(ClientError, match="is not available: it is disabled") as refusal:
        ec2.run_instances(ImageId=ami_id, MinCount=1, MaxCount=1)
    assert code_of(refusal) == "InvalidAMIID.Unavailable"

    ec2.enable_image(ImageId=ami_id)

    assert seen(ec2, ImageIds=[ami_id]) == ["available"]


def test_a_disabled_image_loses_its_permissions_and_gets_none(ec2: Any, ami_id: str) -> None:
    ec2.modify_image_attribute(ImageId=ami_id, **OTHERS)
    ec2.disable_image(ImageId=ami_id)

    assert permissions(ec2, ami_id) == []
    with pytest.raises(ClientError, match="is disabled"):
        ec2.modify_image_attribute(ImageId=ami_id, **OTHERS)
    ec2.enable_image(ImageId=ami_id)
    assert permissions(ec2, ami_id) == []
    ec2.modify_image_attribute(ImageId=ami_id, **OTHERS)
    assert permissions(ec2, ami_id) == [{"UserId": "210987654321"}]


def test_only_its_owner_disables_an_image(ec2: Any, ami_id: str) -> None:
    ec2_backend().amis[ami_id].owner_id = "210987654321"

    with pytest.raises(ClientError, match="Not authorized") as refusal:
        ec2.disable_image(ImageId=ami_id)
    assert code_of(refusal) == "AuthFailure"


def test_its_owner_sees_and_launches_a_deprecated_image(ec2: Any, ami_id: str) -> None:
    ec2_backend().amis[ami_id].deprecation_time = "2026-01-01T00:00:00.000Z"

    assert seen(ec2, Owners=["self"]) == ["available"]
    assert ec2.run_instances(ImageId=ami_id, MinCount=1, MaxCount=1)["Instances"]


def test_others_see_a_deprecated_image_only_by_its_id_or_if_they_ask(ec2: Any, ami_id: str) -> None:
    ami = ec2_backend().amis[ami_id]
    ami.owner_id, ami.deprecation_time = "210987654321", "2026-01-01T00:00:00.000Z"
    theirs = {"Owners": ["210987654321"]}

    assert seen(ec2, **theirs) == []
    assert seen(ec2, **theirs, IncludeDeprecated=True) == ["available"]
    assert seen(ec2, ImageIds=[ami_id]) == ["available"]


@pytest.mark.parametrize("days", [-1, 3700])
def test_a_date_of_deprecation_is_neither_past_nor_beyond_ten_years(
    ec2: Any, ami_id: str, days: int
) -> None:
    at = datetime.now(UTC) + timedelta(days=days)

    with pytest.raises(ClientError, match="for parameter DeprecateAt is invalid"):
        ec2.enable_image_deprecation(ImageId=ami_id, DeprecateAt=at)


def test_a_date_of_deprecation_is_rounded_to_the_minute_and_can_be_cancelled(
    ec2: Any, ami_id: str
) -> None:
    for seconds, minute in ((29, "07"), (31, "08")):
        at = datetime(2030, 1, 1, 12, 7, seconds, tzinfo=UTC)
        ec2.enable_image_deprecation(ImageId=ami_id, DeprecateAt=at)
        (image,) = ec2.describe_images(ImageIds=[ami_id])["Images"]
        assert image["DeprecationTime"] == f"2030-01-01T12:{minute}:00.000Z"

    ec2.disable_image_deprecation(ImageId=ami_id)

    (image,) = ec2.describe_images(ImageIds=[ami_id])["Images"]
    assert image.get("DeprecationTime") is None
