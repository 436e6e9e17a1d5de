"""Which image a role gets: verified, of its architecture, the newest or the one in the file."""

from dataclasses import replace

import pytest

from bake.catalog import Image
from bake.channels import Entry
from bake.wanted import WantedImage
from common.errors import Refused
from deploy.release.choice import choose_image, choose_images, requested_release
from node.contract import VERSION
from tests.unit.bake.test_attestations import make_key
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.conftest import Cluster, bake

VERIFIED = "2026-11-22T00:00:00Z"
IMAGE = {"base_name": "debian-12-*", "base_owner": "136693071363"}


def listed(
    ami_id: str, role: str = "head", verified: str = VERIFIED, baked: str = VERSION
) -> Image:
    return Image(
        ami_id, role, "d" * 64, "2.60.0", "abc", "2026-11-22", verified, "x86_64", contract=baked
    )


def entry(ami_id: str) -> Entry:
    return Entry(ami_id, "d" * 64, "", "2026-11-22T00:00:00Z", {}, 1)


def test_the_image_of_the_channel_is_chosen_over_a_newer_one() -> None:
    catalog = (listed("ami-newer"), listed("ami-older"))
    channel = {WantedImage("head"): entry("ami-older")}

    assert choose_image(catalog, an_environment(), channel, "head", "").ami_id == "ami-older"


def test_a_configured_image_is_chosen_over_that_of_the_channel() -> None:
    environment = an_environment(image=IMAGE | {"head_id": "ami-0123456789abcdef0"})
    catalog = (listed("ami-newer"), listed("ami-0123456789abcdef0"))
    channel = {WantedImage("head"): entry("ami-newer")}

    chosen = choose_image(catalog, environment, channel, "head", "")
    assert chosen.ami_id == "ami-0123456789abcdef0"


@pytest.mark.parametrize("catalog", [(), (listed("ami-old", verified=""), listed("ami-new"))])
def test_an_image_of_the_channel_that_is_gone_or_unverified_is_refused(
    catalog: tuple[Image, ...],
) -> None:
    channel = {WantedImage("head"): entry("ami-old")}

    with pytest.raises(Refused) as caught:
        choose_image(catalog, an_environment(), channel, "head", "")

    assert caught.value.message == (
        "the channel's head image, ami-old, is not a verified head image for x86_64, baked by this "
        "version of Raykiln"
    )
    assert caught.value.hint == (
        "invoke bake, or promote another; `invoke images` lists the images"
    )


def test_where_images_are_promoted_the_newest_is_not_taken_for_one() -> None:
    environment = an_environment(promotion={"source": "staging"})

    with pytest.raises(Refused, match="dev has no head image: none was promoted from staging") as e:
        choose_image((listed("ami-newer"),), environment, {}, "head", "")

    assert e.value.hint == "deploy staging, then invoke images.promote --to dev"


def test_the_newest_verified_image_of_the_role_is_chosen() -> None:
    catalog = (
        listed("ami-unverified", verified=""),
        listed("ami-worker", role="worker"),
        listed("ami-newer"),
        listed("ami-older"),
    )

    assert choose_image(catalog, an_environment(), {}, "head", "").ami_id == "ami-newer"


def test_a_configured_image_is_chosen_over_a_newer_one() -> None:
    environment = an_environment(image=IMAGE | {"head_id": "ami-0123456789abcdef0"})
    catalog = (listed("ami-newer"), listed("ami-0123456789abcdef0"))

    assert choose_image(catalog, environment, {}, "head", "").ami_id == "ami-0123456789abcdef0"


def test_an_unverified_image_is_refused_with_its_name() -> None:
    with pytest.raises(Refused) as caught:
        choose_image((listed("ami-new", verified=""),), an_environment(), {}, "head", "")

    assert caught.value.message == "no verified head image for x86_64; not verified: ami-new"
    assert caught.value.hint == "invoke bake"


def test_an_image_from_before_its_contract_is_refused_with_its_name() -> None:
    with pytest.raises(Refused) as caught:
        choose_image((listed("ami-old", baked=""),), an_environment(), {}, "head", "")

    assert caught.value.message == (
        "no verified head image for x86_64; baked by another version of Raykiln: ami-old"
    )
    assert caught.value.hint == "invoke bake"


def test_an_image_of_another_architecture_is_refused() -> None:
    environment = an_environment(
        image=IMAGE | {"architecture": "arm64"},
        head={"instance_type": "m7g.large"},
        workers={"instance_type": "m7g.large", "min": 1, "max": 3},
    )

    with pytest.raises(Refused, match="for arm64"):
        choose_image((listed("ami-new"),), environment, {}, "head", "")


def test_a_configured_image_of_the_other_role_is_refused() -> None:
    environment = an_environment(image=IMAGE | {"head_id": "ami-0123456789abcdef0"})

    with pytest.raises(Refused) as caught:
        choose_image((listed("ami-0123456789abcdef0", role="worker"),), environment, {}, "head", "")

    assert caught.value.message == (
        "image.head_id: ami-0123456789abcdef0 is not a verified head image for x86_64, baked by "
        "this version of Raykiln"
    )
    assert caught.value.hint == "`invoke images` lists the images"


@pytest.mark.parametrize(
    ("head", "worker", "refused"),
    [("3.11.2", "3.11.2", False), ("3.11.2", "3.11.9", True), ("3.11.2", "", False)],
)
def test_images_with_different_pythons_are_refused(head: str, worker: str, refused: bool) -> None:
    """Ray compares all three numbers before a node joins."""
    catalog = (
        replace(listed("ami-head"), python=head),
        replace(listed("ami-worker", role="worker"), python=worker),
    )
    if not refused:
        assert choose_images(catalog, an_environment(), {})[0].ami_id == "ami-head"
        return

    with pytest.raises(Refused, match=r"ami-head has Python 3\.11\.2, .* Python 3\.11\.9"):
        choose_images(catalog, an_environment(), {})


def test_each_group_gets_the_image_of_its_name() -> None:
    group = {"instance_types": ["m6i.large"], "min": 0, "max": 3}
    environment = an_environment(
        images={"gpu": {}, "lean": {}},
        head={"instance_type": "m6i.large", "image": "lean"},
        workers={"cpu": group, "gpu": {**group, "image": "gpu"}},
    )
    catalog = (
        replace(listed("ami-lean"), name="lean"),
        listed("ami-plain-head"),
        replace(listed("ami-gpu", role="worker"), name="gpu"),
        listed("ami-plain", role="worker"),
    )

    head, workers = choose_images(catalog, environment, {})

    assert head.ami_id == "ami-lean"
    assert {name: image.ami_id for name, image in workers.items()} == {
        "": "ami-plain",
        "gpu": "ami-gpu",
    }


def test_images_that_lack_what_is_required_are_refused_with_all_that_they_lack(
    cluster: Cluster,
) -> None:
    make_key(cluster.clients, "dev")
    head, worker = (bake(cluster.clients, role) for role in ("head", "worker"))
    requested_release(cluster.clients, an_environment())

    with pytest.raises(Refused) as refused:
        requested_release(
            cluster.clients, an_environment(images={"require": ["sbom", "provenance"]})
        )

    assert refused.value.message.splitlines() == [
        "dev requires attestations that its images lack",
        *(
            f"  {ami_id}: {kind}: not attested"
            for ami_id in sorted((head, worker))
            for kind in ("sbom", "provenance")
        ),
    ]
    assert "invoke images.show AMI --env dev" in refused.value.hint
