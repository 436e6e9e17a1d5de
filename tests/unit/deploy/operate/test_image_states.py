"""What no channel names any more is deprecated, then disabled; what is used is not touched."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bake.catalog import image_by_id, images
from bake.channels import set_channel
from bake.wanted import WantedImage
from common.clients import Clients
from deploy.operate.image_prune import Prune, plan_prune, prune
from deploy.operate.image_uses import Retention
from deploy.release.promotion import plan_way_back, promote
from localcloud.account import ec2_backend
from localcloud.world import World
from tests.unit.bake.conftest import register
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures
from tests.unit.localcloud.fakes import FakeClock

PROD = an_environment(name="prod", promotion={"source": "dev"})
HEAD, WORKER = WantedImage("head"), WantedImage("worker")
RETENTION = Retention(count=3, days=30, delete_days=180)
# When the channel went on to another image.
LEFT = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def clients(world: World) -> Clients:  # noqa: F811 - a fixture
    found = Clients(REGION)
    found("s3").create_bucket(Bucket=PROD.bucket)
    return found


@pytest.fixture
def old(clients: Clients) -> str:
    """The head that was in a channel until ``LEFT``, and is kept to go back to."""
    first, second = (register(clients, "head") for _ in range(2))
    worker = register(clients, "worker")
    for ami_id in (first, second, worker):
        ec2_backend().amis[ami_id].creation_date = LEFT - timedelta(days=20)
    ec2_backend().amis[second].creation_date = LEFT - timedelta(days=1)
    catalog = {image.ami_id: image for image in images(clients)}
    for head, since in ((first, LEFT - timedelta(days=20)), (second, LEFT)):
        set_channel(clients, "prod", {HEAD: catalog[head], WORKER: catalog[worker]}, since)
    return first


def after(clients: Clients, days: float) -> Prune:
    return plan_prune(clients, PROD, RETENTION, LEFT + timedelta(days=days))


def pruned(clients: Clients, clock: FakeClock, days: float) -> Prune:  # noqa: F811
    """Prune that many days after the image left its channel; return what was done."""
    plan, now = after(clients, days), LEFT + timedelta(days=days)
    assert prune(clients, PROD, RETENTION, plan, clock, lambda words: None, now) == ()
    assert after(clients, days).is_empty
    return plan


def changed(plan: Prune) -> list[str]:
    return [words for words in plan.words if words.startswith("~")]


def test_it_is_deprecated_after_30_days_disabled_after_90_and_deleted_in_the_end(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    line = f"~ {old} (head of {LEFT - timedelta(days=20):%Y-%m-%d})"

    assert after(clients, 29.9).is_empty
    assert changed(pruned(clients, clock, 30)) == [f"{line}: deprecated, unused since {LEFT:%F}"]
    at = LEFT + timedelta(days=30, minutes=2)
    deprecated = datetime.fromisoformat(image_by_id(clients, old).deprecated)
    assert abs(deprecated - at) <= timedelta(seconds=30)
    assert after(clients, 89.9).is_empty
    assert changed(pruned(clients, clock, 90)) == [f"{line}: disabled, unused since {LEFT:%F}"]
    assert image_by_id(clients, old).state == "disabled"
    # It is one of the last three that the channel named.
    assert after(clients, 1000).goes == ()
    one = Retention(count=1, days=30, delete_days=180)
    goes = [plan_prune(clients, PROD, one, LEFT + timedelta(days=n)).goes for n in (179.9, 180)]
    assert [[image.ami_id for image in some] for some in goes] == [[], [old]]


def test_one_that_was_found_late_is_deprecated_and_disabled_at_once(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    assert [words.split(": ")[1][:10] for words in changed(pruned(clients, clock, 100))] == [
        "deprecated",
        "disabled, ",
    ]


def test_what_is_back_in_a_channel_can_be_launched_again(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    pruned(clients, clock, 100)
    back = plan_way_back(clients, PROD)
    assert back.words[0].endswith(", disabled: it is enabled again")

    promote(clients, back, LEFT + timedelta(days=101))

    found = image_by_id(clients, old)
    baked = datetime.fromisoformat(found.created)
    assert found.state == "available"
    # A year after its bake, as at first.
    assert datetime.fromisoformat(found.deprecated).date() == (baked + timedelta(days=365)).date()
    assert clients("ec2").run_instances(ImageId=old, MinCount=1, MaxCount=1)["Instances"]


def use_instance(clients: Clients, ami_id: str) -> None:
    clients("ec2").run_instances(ImageId=ami_id, MinCount=1, MaxCount=1)


def use_template(clients: Clients, ami_id: str) -> None:
    clients("ec2").create_launch_template(
        LaunchTemplateName="theirs", LaunchTemplateData={"ImageId": ami_id}
    )


def use_account(clients: Clients, ami_id: str) -> None:
    clients("ec2").modify_image_attribute(
        ImageId=ami_id, LaunchPermission={"Add": [{"UserId": "210987654321"}]}
    )


def use_channel(clients: Clients, ami_id: str) -> None:
    image = image_by_id(clients, ami_id)
    set_channel(clients, "staging", {HEAD: image}, LEFT)


@pytest.mark.parametrize("use", [use_instance, use_template, use_account, use_channel])
def test_what_is_used_is_not_touched(
    clients: Clients, old: str, use: Callable[[Clients, str], None]
) -> None:
    assert after(clients, 100).changes.count == 2
    use(clients, old)

    assert after(clients, 100).changes.count == 0


def test_the_newest_of_its_kind_is_that_of_a_deploy_without_a_channel(clients: Clients) -> None:
    first, _ = (register(clients, "head") for _ in range(2))
    now = datetime.now(UTC) + timedelta(days=400)

    changes = plan_prune(clients, PROD, RETENTION, now).changes

    assert [image.ami_id for image in changes.images] == [first]


def test_what_is_used_since_the_plan_was_shown_is_not_touched(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    approved, now = after(clients, 100), LEFT + timedelta(days=100)
    use_template(clients, old)

    prune(clients, PROD, RETENTION, approved, clock, lambda words: None, now)

    assert image_by_id(clients, old).state == "available"
    assert image_by_id(clients, old).deprecated == ""
