"""Promotion: what one environment serves is what another is deployed from, and nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bake.catalog import image_by_id, images
from bake.channels import read_channel, set_channel
from bake.image_files import read_inventory
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import Refused
from deploy.release.choice import choose_images, whole_channel
from deploy.release.config_bucket import point_to_release
from deploy.release.origin import origins
from deploy.release.promotion import plan_promotion, plan_way_back, promote
from deploy.release.release import Release
from deploy.release.settings import NodeImage
from localcloud.world import World
from tests.unit.bake.conftest import register
from tests.unit.bake.inventories import keep_inventory
from tests.unit.bake.osv_server import osv_server
from tests.unit.bake.test_scan import RECORD
from tests.unit.deploy.builders import REGION, a_release, an_environment
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures

HEAD, WORKER = WantedImage("head"), WantedImage("worker")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def clients(world: World) -> Clients:  # noqa: F811 - a fixture
    found = Clients(REGION)
    found("s3").create_bucket(Bucket=STAGING.bucket)
    return found


STAGING = an_environment(name="staging")
PROD = an_environment(name="prod", promotion={"source": "staging"})


def baked(clients: Clients, hours: int = 0) -> dict[WantedImage, str]:
    """Bake both images into staging's channel; return their ids."""
    ids = {HEAD: register(clients, "head"), WORKER: register(clients, "worker")}
    catalog = {image.ami_id: image for image in images(clients)}
    found = {wanted: catalog[ami_id] for wanted, ami_id in ids.items()}
    set_channel(clients, "staging", found, NOW + timedelta(hours=hours))
    return ids


def serve(clients: Clients, ids: dict[WantedImage, str]) -> Release:
    """Have staging serve these images."""
    release = a_release(ids[HEAD], ids[WORKER])
    point_to_release(clients, STAGING.bucket, "staging", release)
    return release


def promoted(clients: Clients, hours: int = 0) -> dict[WantedImage, str]:
    """Bake, serve on staging and promote to prod; return the ids."""
    ids = baked(clients, hours)
    serve(clients, ids)
    promote(clients, plan_promotion(clients, STAGING, PROD), NOW + timedelta(hours=hours))
    return ids


def chosen(clients: Clients) -> list[str]:
    """Return the ids of the images that prod would be deployed from."""
    channel = whole_channel(clients, PROD)
    head, workers = choose_images(images(clients), PROD, channel)
    return [image.ami_id for image in (head, *workers.values())]


def test_prod_is_deployed_from_what_staging_serves_and_not_from_what_is_newer(
    clients: Clients,
) -> None:
    ids = promoted(clients)
    register(clients, "head")
    register(clients, "worker")

    assert chosen(clients) == [ids[HEAD], ids[WORKER]]


def test_a_promotion_says_what_it_would_change_and_changes_nothing_by_itself(
    clients: Clients,
) -> None:
    old = promoted(clients)
    new = baked(clients, hours=1)
    serve(clients, new)

    promotion = plan_promotion(clients, STAGING, PROD)

    digest = {image.ami_id: image.digest[:12] for image in images(clients)}[new[HEAD]]
    what = f"{new[HEAD]} (digest {digest}, commit abc)"
    assert promotion.words[0] == f"~ head: {old[HEAD]} → {what}"
    assert chosen(clients) == [old[HEAD], old[WORKER]]
    promote(clients, promotion, NOW + timedelta(hours=2))
    assert plan_promotion(clients, STAGING, PROD).is_empty


def test_what_staging_has_baked_and_does_not_serve_is_not_promoted(clients: Clients) -> None:
    old = baked(clients)
    serve(clients, old)
    new = baked(clients, hours=1)

    with pytest.raises(Refused) as refused:
        plan_promotion(clients, STAGING, PROD)

    assert f"  head: staging serves {old[HEAD]}, its channel has {new[HEAD]}" in str(refused.value)
    assert f"  worker: staging serves {old[WORKER]}" in str(refused.value)


def test_an_environment_that_serves_nothing_has_nothing_to_promote(clients: Clients) -> None:
    baked(clients)

    with pytest.raises(Refused, match="staging serves no release"):
        plan_promotion(clients, STAGING, PROD)


def test_all_that_is_missing_is_named_at_once(clients: Clients) -> None:
    ids = baked(clients)
    serve(clients, ids)
    clients("ec2").deregister_image(ImageId=ids[WORKER])
    prod = an_environment(
        name="prod",
        promotion={"source": "staging"},
        images={"gpu": {}},
        head={"instance_type": "m6i.large", "image": "gpu"},
    )

    with pytest.raises(Refused) as refused:
        plan_promotion(clients, STAGING, prod)

    assert "head gpu: the channel of staging has none" in str(refused.value)
    assert f"worker: {ids[WORKER]} does not exist any more" in str(refused.value)


def test_an_image_of_another_architecture_is_not_promoted(clients: Clients) -> None:
    serve(clients, baked(clients))
    arm = {"instance_type": "m7g.large"}
    prod = an_environment(
        name="prod",
        image={"base_id": "ami-1", "architecture": "arm64"},
        head=arm,
        workers={**arm, "min": 1, "max": 3},
    )

    with pytest.raises(Refused, match="is not a verified image for arm64"):
        plan_promotion(clients, STAGING, prod)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"account_id": "210987654321"}, "but prod.toml says 210987654321 us-east-1"),
        ({"region": "eu-west-1"}, "but prod.toml says 123456789012 eu-west-1"),
    ],
)
def test_images_come_from_elsewhere_only_if_the_file_says_so(
    clients: Clients, place: dict[str, str], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        plan_promotion(clients, STAGING, an_environment(name="prod", **place))


def test_the_way_back_is_to_what_was_promoted_before_and_there_again(clients: Clients) -> None:
    old, new = promoted(clients), promoted(clients, hours=1)

    promote(clients, plan_way_back(clients, PROD), NOW + timedelta(hours=2))
    assert chosen(clients) == [old[HEAD], old[WORKER]]
    entry = read_channel(clients, "prod", (HEAD,))[HEAD]
    assert entry.words == "promoted from staging, in the channel since 2026-11-22T14:00:00Z"

    promote(clients, plan_way_back(clients, PROD), NOW + timedelta(hours=3))
    assert chosen(clients) == [new[HEAD], new[WORKER]]


def test_there_is_no_way_back_from_the_first_promotion(clients: Clients) -> None:
    promoted(clients)

    with pytest.raises(Refused, match="the channel of prod has named no other images") as refused:
        plan_way_back(clients, PROD)

    assert refused.value.hint == "invoke images.promote --to prod promotes what another serves"


def test_there_is_no_way_back_to_an_image_that_is_gone(clients: Clients) -> None:
    old = promoted(clients)
    promoted(clients, hours=1)
    clients("ec2").deregister_image(ImageId=old[HEAD])

    with pytest.raises(Refused, match=f"head: {old[HEAD]} does not exist any more") as refused:
        plan_way_back(clients, PROD)

    assert refused.value.hint == "`invoke images` lists the images that there are"


def test_a_channel_that_was_set_in_part_is_not_deployed_from(clients: Clients) -> None:
    old = promoted(clients)
    catalog = {image.ami_id: image for image in images(clients)}
    both = {HEAD: register(clients, "head"), WORKER: register(clients, "worker")}
    later = {image.ami_id: image for image in images(clients)}
    set_channel(clients, "prod", {w: later[i] for w, i in both.items()}, NOW + timedelta(hours=2))
    # What a promotion that was killed between its two parameters has left.
    clients("ssm").put_parameter(
        Name="/raykiln/images/prod/worker",
        Value=_value(clients, version=1),
        Type="String",
        Overwrite=True,
    )
    assert catalog[old[WORKER]].role == "worker"

    with pytest.raises(Refused, match="the channel /raykiln/images/prod was set in part") as e:
        whole_channel(clients, PROD)

    assert e.value.hint == "complete it: invoke images.promote --to prod"


def _value(clients: Clients, version: int) -> str:
    answer = clients("ssm").get_parameter(Name=f"/raykiln/images/prod/worker:{version}")
    return str(answer["Parameter"]["Value"])


def test_a_plan_says_where_each_image_came_from(clients: Clients) -> None:
    ids = promoted(clients)
    release = a_release(ids[HEAD], "ami-another")

    assert origins(clients, PROD, release) == (
        f"head: {ids[HEAD]}, promoted from staging, in the channel since 2026-11-22T12:00:00Z",
        "worker: ami-another, not in the channel",
    )


def test_a_plan_says_that_an_image_is_named_in_the_file(clients: Clients) -> None:
    named = "ami-0123456789abcdef0"
    environment = an_environment(image={"base_id": "ami-1", "head_id": named})
    release = Release(NodeImage(named, "d", "2.60.0", "/dev/xvda"), a_release().settings)

    assert origins(clients, environment, release)[0] == (
        f"head: {named}, named in the environment's file"
    )


def test_images_with_vulnerabilities_that_the_target_refuses_are_not_promoted(
    clients: Clients, tmp_path: Path
) -> None:
    serve(clients, baked(clients))
    for image in images(clients):
        keep_inventory(clients, STAGING.images_bucket, image.digest, image.ami_id, tmp_path)
    known = {("Debian:12", "openssl", "3.0.17-1"): [RECORD["id"]]}
    with osv_server(known, RECORD) as osv:
        refusing, taking = (
            an_environment(
                name="prod",
                promotion={"source": "staging"},
                images={"scan": severity, "osv": osv.address},
            )
            for severity in ("high", "critical")
        )
        with pytest.raises(Refused, match="high CVE-2024-6119: openssl"):
            plan_promotion(clients, STAGING, refusing)
        assert not plan_promotion(clients, STAGING, taking).is_empty


def test_what_the_target_lost_of_what_is_known_is_promoted_again(
    clients: Clients, tmp_path: Path
) -> None:
    ids = promoted(clients)
    assert plan_promotion(clients, STAGING, PROD).is_empty
    image = image_by_id(clients, ids[HEAD])
    for bucket in (STAGING.images_bucket, PROD.images_bucket):
        clients("s3").create_bucket(Bucket=bucket)
    keep_inventory(clients, STAGING.images_bucket, image.digest, image.ami_id, tmp_path)

    plan = plan_promotion(clients, STAGING, PROD)
    promote(clients, plan, NOW)

    assert not plan.is_empty
    assert plan.words[-1] == "+ head: inventory.json, sbom.cdx.json, sbom.spdx.json"
    assert read_inventory(clients, PROD.images_bucket, image)
    assert plan_promotion(clients, STAGING, PROD).is_empty
