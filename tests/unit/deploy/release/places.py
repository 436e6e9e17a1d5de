"""Two environments of different accounts, or regions, and who acts in them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from moto.ec2.models import ec2_backends

from bake.catalog import images
from bake.channels import set_channel
from bake.wanted import WantedImage
from common.clients import CONFIG, Clients
from common.environment import Environment
from common.progress import Lines, NoLines, Silent
from deploy.account.account_setup import set_up_account
from deploy.release.config_bucket import point_to_release
from deploy.release.promotion import plan_promotion, promote, with_copies
from localcloud.account import ACCOUNT, REGION, SECOND_ACCOUNT
from localcloud.patches.iam import make_user, role_credentials
from node.contract import VERSION
from tests.unit.bake.test_attestations import bake_one, make_key
from tests.unit.deploy.account.conftest import EVERYTHING
from tests.unit.deploy.builders import a_release, an_environment
from tests.unit.deploy.conftest import MortalClients
from tests.unit.localcloud.fakes import FakeClock

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HEAD, WORKER = WantedImage("head"), WantedImage("worker")


class PlaceClients(MortalClients):
    """Clients with credentials, in one region; those that they become count, and die, with them.

    ``made`` gets every client that they make.
    """

    def __init__(self, keys: dict[str, str], region: str, of: "PlaceClients | None" = None) -> None:
        super().__init__(region)
        self.keys, self.of = keys, of
        self.made: Callable[[Any], object] = of.made if of else lambda client: None

    def _make(self, service: str) -> Any:
        client = boto3.client(service, region_name=self.region, config=CONFIG, **self.keys)
        client.meta.events.register("before-send", self._count)
        self.made(client)
        return client

    def _count(self, **given: object) -> None:
        if self.of:
            self.of._count(**given)
        else:
            super()._count(**given)

    def in_region(self, region: str) -> Clients:
        return PlaceClients(self.keys, region, self.of or self)

    def as_role(self, arn: str, region: str, session_name: str) -> Clients:
        made = super().as_role(arn, region, session_name)
        found = made._session.get_credentials().get_frozen_credentials()
        keys = {
            "aws_access_key_id": found.access_key,
            "aws_secret_access_key": found.secret_key,
            "aws_session_token": found.token,
        }
        return PlaceClients(keys, region, self.of or self)


@dataclass
class Places:
    """Staging, which is baked and served in one account, and prod in another place."""

    staging: Environment
    prod: Environment
    baker: PlaceClients
    owner: PlaceClients
    clock: FakeClock
    folder: Path

    def bake(self, **attributes: Any) -> dict[WantedImage, str]:
        """Have staging serve two new images, with all that is attested; return their ids."""
        ids = {}
        for one in (HEAD, WORKER):
            ids[one] = register(self.baker, one.role, **attributes)
            image = next(i for i in images(self.baker) if i.ami_id == ids[one])
            bake_one(self.baker, self.folder / ids[one], self.staging, image=image)
        catalog = {image.ami_id: image for image in images(self.baker)}
        found = {one: catalog[ami_id] for one, ami_id in ids.items()}
        set_channel(self.baker, "staging", found, NOW)
        self.baker("s3").create_bucket(Bucket=self.staging.bucket)
        release = a_release(ids[HEAD], ids[WORKER])
        point_to_release(self.baker, self.staging.bucket, "staging", release)
        return ids

    def copies(self) -> dict[str, list[str]]:
        """Return the ids of all copies that prod's account has, by their originals'."""
        found: dict[str, list[str]] = {}
        entries = self.owner("ec2").describe_images(Owners=["self"], IncludeDisabled=True)
        for entry in entries["Images"]:
            tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}
            if origin := tags.get("raykiln:copied-from"):
                found.setdefault(origin.rpartition("/")[2], []).append(entry["ImageId"])
        return found

    def promoter(self) -> PlaceClients:
        """Return the clients of prod's bake role."""
        keys = role_credentials("raykiln-prod-bake", "somebody", self.prod.account_id)
        return PlaceClients(keys, self.prod.region)

    def promote(self, clients: Clients, lines: Lines | None = None, now: datetime = NOW) -> None:
        """Plan a promotion and carry it out."""
        lines = lines or NoLines()
        plan = plan_promotion(clients, self.staging, self.prod)
        whole = with_copies(clients, plan, now, clock=self.clock, lines=lines)
        promote(clients, whole, now)


def places(
    clock: FakeClock,
    folder: Path,
    account: str = SECOND_ACCOUNT,
    region: str = REGION,
    copies_to: tuple[str, ...] = (SECOND_ACCOUNT,),
    **prod: Any,
) -> Places:
    """Return both environments, in accounts where everybody may do everything."""
    staging = an_environment(name="staging", account={"copies_to": list(copies_to)})
    source = {"source": "staging", "account_id": ACCOUNT, "region": REGION}
    given = {"promotion": source, **prod}
    target = an_environment(name="prod", account_id=account, region=region, **given)
    baker = PlaceClients(make_user("administrator", EVERYTHING), REGION)
    keys = baker.keys if account == ACCOUNT else make_user("administrator", EVERYTHING, account)
    owner = PlaceClients(keys, region)
    for clients, environment in ((baker, staging), (owner, target)):
        make_key(clients, environment.name)
        make_bucket(clients, environment.images_bucket)
    return Places(staging, target, baker, owner, clock, folder)


def set_up(there: Places) -> None:
    """Have the administrators of both accounts make the roles."""
    for clients, environment in ((there.baker, there.staging), (there.owner, there.prod)):
        clients("s3").delete_bucket(Bucket=environment.images_bucket)
        clients("kms").delete_alias(AliasName=f"alias/raykiln-{environment.name}-images")
        set_up_account(clients, environment, clock=there.clock, progress=Silent())


def make_bucket(clients: Clients, name: str) -> None:
    """Make a bucket in the region of the clients."""
    where = {"CreateBucketConfiguration": {"LocationConstraint": clients.region}}
    clients("s3").create_bucket(Bucket=name, **(where if clients.region != REGION else {}))


def make_volume_key(clients: Clients) -> str:
    """Make a customer key for volumes; return its ARN."""
    return str(clients("kms").create_key()["KeyMetadata"]["Arn"])


def register(clients: Clients, role: str, *, key: str = "") -> str:
    """Register a verified image with all tags, as a bake leaves it; ``key`` encrypts it."""
    ec2 = clients("ec2")
    count = len(ec2.describe_images(Owners=["self"])["Images"])
    made = ec2.register_image(Name=f"ray-{role}-{count}", RootDeviceName="/dev/xvda")
    ami_id = str(made["ImageId"])
    image = ec2_backends[ACCOUNT][REGION].amis[ami_id]
    image.architecture, image.creation_date = "x86_64", datetime(2026, 11, 1 + count, tzinfo=UTC)
    image.ebs_snapshot.kms_key_id, image.ebs_snapshot.encrypted = key or None, bool(key)
    tags = {"role": role, "digest": f"{count:064}", "ray-version": "2.60.0", "git": "abc"}
    tags |= {"contract": VERSION, "verified": "2026-11-22T00:00:00Z", "python": "3.12.3"}
    pairs = [{"Key": f"raykiln:{key}", "Value": value} for key, value in tags.items()]
    ec2.create_tags(Resources=[ami_id, image.ebs_snapshot.id], Tags=pairs)
    return ami_id
