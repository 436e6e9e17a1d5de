"""What is in an image is kept in its environment's bucket, whatever its size."""

from pathlib import Path

import pytest

from bake.catalog import image_by_id
from bake.image_files import Kept, carry_files, check_bucket, read_file, read_inventory
from common.clients import Clients
from common.errors import PipelineError, Refused
from tests.unit.bake.conftest import register
from tests.unit.bake.inventories import inventory_json, keep_inventory
from tests.unit.deploy.builders import an_environment

DEV = an_environment()
BUCKET = "raykiln-dev-bakes-123456789012-us-east-1"


def test_an_image_with_2000_packages_is_known_in_full(clients: Clients, tmp_path: Path) -> None:
    image = image_by_id(clients, register(clients, "head"))
    many = {f"lib{number}": [f"1.{number}", "amd64", "lib"] for number in range(2000)}

    keep_inventory(clients, DEV.images_bucket, image.digest, image.ami_id, tmp_path, debian=many)

    found = read_inventory(clients, BUCKET, image)
    assert found
    assert {name: one.version for name, one in found.debian.items()} == {
        f"lib{number}": f"1.{number}" for number in range(2000)
    }
    keys = clients("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [one["Key"] for one in keys] == [
        f"{image.digest}/{image.ami_id}/{name}"
        for name in ("inventory.json", "sbom.cdx.json", "sbom.spdx.json")
    ]


def test_an_image_without_files_is_not_known(clients: Clients, tmp_path: Path) -> None:
    one, other = (image_by_id(clients, register(clients, "head")) for _ in range(2))
    assert read_inventory(clients, BUCKET, one) is None  # no bucket

    keep_inventory(clients, BUCKET, one.digest, one.ami_id, tmp_path)

    assert read_inventory(clients, BUCKET, other) is None


def test_files_are_carried_to_another_bucket(clients: Clients, tmp_path: Path) -> None:
    image = image_by_id(clients, register(clients, "head"))
    keep_inventory(clients, BUCKET, image.digest, image.ami_id, tmp_path)
    clients("s3").delete_object(Bucket=BUCKET, Key=f"{image.digest}/{image.ami_id}/sbom.spdx.json")
    clients("s3").create_bucket(Bucket="prods")

    carry_files(Kept(clients, BUCKET, image), Kept(clients, "prods", image))

    assert read_file(clients, "prods", image, "inventory.json") == inventory_json().encode()
    assert read_file(clients, "prods", image, "sbom.spdx.json") is None


def test_an_object_that_is_no_inventory_is_named(clients: Clients, tmp_path: Path) -> None:
    image = image_by_id(clients, register(clients, "head"))
    keep_inventory(clients, BUCKET, image.digest, image.ami_id, tmp_path, system=1)

    with pytest.raises(PipelineError, match=f"{image.ami_id}/inventory.json is no inventory"):
        read_inventory(clients, BUCKET, image)


def test_a_bake_is_refused_where_nothing_could_be_kept(clients: Clients) -> None:
    with pytest.raises(Refused, match=f"there is no bucket {BUCKET}") as refused:
        check_bucket(clients, DEV)

    assert "invoke account.setup --env dev" in refused.value.hint
    clients("s3").create_bucket(Bucket=BUCKET)
    check_bucket(clients, DEV)
