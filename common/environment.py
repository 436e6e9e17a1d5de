"""An environment: the only place where a user writes the desired configuration. No AWS.

``load_environment("prod")`` reads ``environments/prod.toml`` and reports all mistakes in it at
once, each with file and key. The names of AWS resources are derived from the environment's name;
each can be overridden under ``[names]``.
"""

import json
import os
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from common.account_access import AccountAccess
from common.aws_rules import ENVIRONMENT, RULES, follows, tag_mistakes
from common.checkout import REPOSITORY
from common.document_settings import Documents
from common.environment_tables import (
    Alarms,
    Budget,
    Dns,
    Head,
    Limits,
    Metrics,
    NameOverrides,
    Promotion,
    Rollout,
)
from common.errors import Refused
from common.image_settings import OSV, SCANS, ImageSettings, completed_images
from common.mistakes import mistakes_in
from common.network import METRICS_INTERFACE, Network
from common.nodes import Nodes
from common.table import Table, Text, like
from common.worker_groups import ONLY_GROUP, WorkerGroup, named_groups

FOLDER = REPOSITORY / "environments"
# What follows an environment's name in those of its other stacks, buckets and queues.
SUFFIXES = ("-account", "-bakes", "-copies", "-dead-letters", "-failed-events", "-nodes")
PROMETHEUS = "prometheus"  # Debian's and Ubuntu's package
DEFAULT_ENV = os.environ.get("RAYKILN_ENV", "local")


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if mistakes := list(tag_mistakes(tags)):
        raise ValueError("\n".join(mistakes))
    return tags


class Environment(Table):
    """The desired configuration of one cluster."""

    name: Annotated[str, Field(min_length=1), follows(ENVIRONMENT)]
    region: Annotated[Text, like(r"[a-z]{2}(-[a-z]+)+-[0-9]", "us-east-1")]
    account_id: Annotated[Text, like(r"[0-9]{12}", "123456789012")]
    # The real AWS, or the local cloud. Read by commands/ and drills/ only.
    provider: Literal["aws", "localcloud"] = "aws"
    network: Network
    image: ImageSettings
    images: dict[str, ImageSettings] = Field(default={})
    # `require` of [images]: what must be attested of an image that is deployed.
    images_require: tuple[str, ...] = ()
    # `scan` and `osv` of [images]: from which severity on a vulnerability refuses an image, and
    # the database of vulnerabilities.
    images_scan: str = SCANS[0]
    images_osv: str = OSV
    # Without it, what is baked here is deployed here.
    promotion: Promotion | None = None
    nodes: Nodes = Nodes()
    account: AccountAccess = AccountAccess()
    head: Head
    # By name; a file with one kind of worker may leave the name out.
    workers: Annotated[dict[str, WorkerGroup], BeforeValidator(named_groups)]
    dns: Dns
    alarms: Alarms = Alarms()
    budget: Budget = Budget()
    metrics: Metrics = Metrics()
    limits: Limits = Limits()
    rollout: Rollout = Rollout()
    names: NameOverrides = NameOverrides()
    documents: Documents = Documents()
    # True: the bucket names.bucket exists, and is neither created nor deleted here.
    existing_bucket: bool = False
    # A YAML file beside this one, merged over the generated autoscaler configuration.
    autoscaler_file: Text = ""
    tags: Annotated[dict[Text, Text], AfterValidator(_tags)] = Field(default={})

    @model_validator(mode="before")
    @classmethod
    def _images_are_complete(cls, content: Any) -> Any:
        return completed_images(content) if isinstance(content, dict) else content

    @model_validator(mode="after")
    def _tables_agree(self) -> "Environment":
        if mistakes := list(self._mistakes()):
            raise ValueError("\n".join(mistakes))
        return self

    def _mistakes(self) -> Iterator[str]:
        """Yield what tables say that does not go together."""
        unknown = list(self._unknown_images())
        yield from unknown
        if not unknown:
            yield from self._other_pythons()
            yield from self._documents_without_nodes()
            yield from self._too_many_iops()
            yield from self._missing_prometheus()
            yield from self._no_way_to_the_workspace()
        yield from self._mounted_twice()
        for name, image in {"image": self.image, **self.images}.items():
            if self.nodes.kms_key and not image.encrypted:
                yield f"{name}: encrypted = false, but nodes.kms_key is given"
        if self.promotion and self.promotion.source == self.name:
            yield f"promotion.source: {self.name} is this environment itself"
        if self.existing_bucket and not self.names.bucket:
            yield "existing_bucket needs names.bucket"
        yield from self._name_mistakes()

    def _unknown_images(self) -> Iterator[str]:
        for place, table in self._tables_of_nodes.items():
            if table.image and table.image not in self.images:
                yield f"{place}.image: there is no [images.{table.image}]"

    def _other_pythons(self) -> Iterator[str]:
        """Ray refuses a node whose Python is not the head's (node.check_version_info, Ray 2.60)."""
        wanted = self.image_named(self.head.image).python
        for name, group in self.workers.items():
            found = self.image_named(group.image).python
            if found != wanted:
                yield (
                    f"workers.{name}.image has Python {found}, the head's image {wanted}: "
                    "Ray needs the same on all nodes"
                )

    def _documents_without_nodes(self) -> Iterator[str]:
        """Serve's controller runs on the head (serve/_private/default_impl.py, Ray 2.60)."""
        if not self.documents.on_cluster:
            return
        name = self.documents.group
        if name not in self.workers:
            yield f"documents.group: there is no [workers.{name}]"
            return
        if not self.workers[name].min:
            yield f"workers.{name}.min = 0: documents are answered by one worker at least"
        for place, table in (("head", self.head), (f"workers.{name}", self.workers[name])):
            if not self.image_named(table.image).documents:
                image = f"images.{table.image}" if table.image else "image"
                yield f"{place} is launched from [{image}]: set documents = true there"

    def _too_many_iops(self) -> Iterator[str]:
        for place, table in self._tables_of_nodes.items():
            try:
                table.volume.check_iops(
                    table.volume.gib or self.image_named(table.image).volume_gib
                )
            except ValueError as error:
                yield f"{place}.volume: {error}"

    def _mounted_twice(self) -> Iterator[str]:
        for place, table in self._tables_of_nodes.items():
            mounted: dict[str, str] = {}
            for one in (*self.nodes.efs, *table.efs):
                first = mounted.setdefault(one.mount, one.id)
                if first != one.id:
                    yield f"{place}: {first} and {one.id} are both mounted at {one.mount}"

    def _missing_prometheus(self) -> Iterator[str]:
        image = self.head.image
        if self.metrics.remote_write and PROMETHEUS not in self.image_named(image).packages:
            place = f"images.{image}" if image else "image"
            yield f'metrics.remote_write needs Prometheus: add "{PROMETHEUS}" to {place}.packages'

    def _no_way_to_the_workspace(self) -> Iterator[str]:
        """Say how heads would reach it, in a VPC that is created; an existing one has its own ways.

        An endpoint is one to its own region.
        """
        network, region = self.network, self.metrics.workspace_region
        if not region or network.vpc_id or network.nat:
            return
        if region != self.region:
            yield f"metrics.remote_write: the workspace is in {region}: give network.nat = true"
        elif METRICS_INTERFACE not in network.interfaces:
            names = json.dumps([*network.interfaces, *network.gateways, METRICS_INTERFACE])
            yield (
                "metrics.remote_write: heads have no way to the workspace: give network.endpoints "
                f"= {names}, or network.nat = true"
            )

    def _name_mistakes(self) -> Iterator[str]:
        for key, name in self._names():
            rule = RULES.get(key, RULES["launch template"])
            if wrong := rule.broken_by(name):
                yield f"names.{key}: {wrong}"
        if self.state_secret == self.secret:
            yield f"names: secret and state_secret would both be {self.secret}"
        if not self.head_dns.endswith(f".{self.dns.zone}"):
            yield f"names.head_dns: {self.head_dns} is not within dns.zone, {self.dns.zone}"
        templates = [name for key, name in self._names() if key not in RULES]
        for name in sorted({name for name in templates if templates.count(name) > 1}):
            yield f"names: two launch templates would be called {name}"

    def _names(self) -> Iterator[tuple[str, str]]:
        """Yield what is named below ``names``, and all launch templates."""
        for key in NameOverrides.model_fields:
            if key != "worker_template":
                yield key, getattr(self, key, None) or getattr(self.names, key)
        for group in self.workers:
            yield f"worker_template of {group}", self.worker_template_of(group)

    @property
    def _tables_of_nodes(self) -> dict[str, Head | WorkerGroup]:
        """Return the tables of the heads and of each group, by what they are called."""
        return {"head": self.head} | {f"workers.{name}": g for name, g in self.workers.items()}

    def image_named(self, name: str) -> ImageSettings:
        """Return an image's settings; the name of ``[image]`` is empty."""
        return self.images[name] if name else self.image

    @cached_property
    def wanted_images(self) -> tuple[tuple[str, str], ...]:
        """Return the role and the name of every image that nodes are launched from."""
        workers = {("worker", group.image) for group in self.workers.values()}
        return (("head", self.head.image), *sorted(workers))

    def worker_template_of(self, group: str) -> str:
        """Return the launch template of a group of workers.

        Its name has a character that no environment's name may have, so that the group gpu of prod
        differs from the environment prod-gpu.
        """
        return self.worker_template if group == ONLY_GROUP else f"{self.worker_template}.{group}"

    @cached_property
    def min_workers(self) -> int:
        """The workers of all groups that are always there."""
        return sum(group.min for group in self.workers.values())

    @cached_property
    def stack(self) -> str:
        """The CloudFormation stack of the foundation."""
        return self.names.stack or f"raykiln-{self.name}"

    @cached_property
    def head_group(self) -> str:
        """The Auto Scaling group of the head."""
        return self.names.head_group or f"ray-head-asg-{self.name}"

    @cached_property
    def head_template(self) -> str:
        """The head's launch template."""
        return self.names.head_template or f"ray-head-{self.name}"

    @cached_property
    def worker_template(self) -> str:
        """The launch template of the workers whose group has no name of its own."""
        return self.names.worker_template or f"ray-worker-{self.name}"

    @cached_property
    def head_dns(self) -> str:
        """The stable name of the cluster."""
        return self.names.head_dns or f"ray-head.{self.name}.{self.dns.zone}"

    @cached_property
    def secret(self) -> str:
        """The SecureString parameter: Ray's token."""
        return self.names.secret or f"/ray/{self.name}/redis_password"

    @cached_property
    def state_secret(self) -> str:
        """The SecureString parameter: the password of the Redis that keeps Ray's state."""
        return self.names.state_secret or f"/ray/{self.name}/state_password"

    @cached_property
    def bucket(self) -> str:
        """The configuration bucket."""
        return self.names.bucket or self.bucket_of(self.name)

    @cached_property
    def source_place(self) -> tuple[str, str]:
        """The account and the region that images are promoted from."""
        given = self.promotion or Promotion(source=self.name)
        return given.account_id or self.account_id, given.region or self.region

    @property
    def copies_images(self) -> bool:
        """Images are promoted from another account or region, and copied."""
        return self.source_place != (self.account_id, self.region)

    def bucket_of(self, name: str) -> str:
        """Return the derived name of an environment's bucket, in this account and region."""
        return f"raykiln-{name}-{self.account_id}-{self.region}"

    @cached_property
    def images_bucket(self) -> str:
        """The bucket of what is known of its images, which the stack of its account creates."""
        return self.images_bucket_of(self.name)

    def images_bucket_of(self, name: str) -> str:
        """Return the name of that bucket for an environment in this account and region."""
        return f"raykiln-{name}-bakes-{self.account_id}-{self.region}"

    @cached_property
    def load_balancer(self) -> str:
        """The network load balancer before the head."""
        return self.names.load_balancer or f"ray-head-{self.name}"

    @cached_property
    def lease_table(self) -> str:
        """The DynamoDB table of the head lease."""
        return self.names.lease_table or f"raykiln-lease-{self.name}"

    @cached_property
    def documents_stack(self) -> str:
        """The CloudFormation stack of the document pipeline; its resources' names begin with it."""
        return f"ray-documents-{self.name}"

    @cached_property
    def documents_bucket(self) -> str:
        """The bucket that documents are put into."""
        named = f"{self.documents_stack}-{self.account_id}-{self.region}"
        return self.documents.bucket or named

    @cached_property
    def topic(self) -> str:
        """The SNS topic of alarms and announcements."""
        return self.names.topic or f"raykiln-{self.name}"


def load_environment(name: str, folder: Path = FOLDER) -> Environment:
    """Read and validate ``folder/name.toml``.

    Raises Refused when there is no such file, when it is not TOML, with all its mistakes, each
    with its key, when it is not a complete and consistent environment, and when another one has
    resources of the same names.
    """
    path = folder / f"{name}.toml"
    found = environment_from(_parsed(path, name, folder), path)
    _refuse_names_of_another(found, folder)
    return found


def environment_from(content: dict[str, Any], path: Path) -> Environment:
    """Validate the content of ``path``; raises Refused with all mistakes at once."""
    named = ["name: an environment's name is that of its file"] if "name" in content else []
    try:
        environment = Environment.model_validate({**content, "name": path.stem})
    except ValidationError as error:
        raise _refusal(path, [*named, *mistakes_in(error, Environment)]) from error
    if named:
        raise _refusal(path, named)
    return environment


def _refusal(path: Path, mistakes: list[str]) -> Refused:
    lines = [f"  {path.name}: {mistake}" for mistake in mistakes]
    return Refused(
        f"{path}: {len(lines)} mistake{'s' if len(lines) > 1 else ''}\n" + "\n".join(lines),
        hint=f"correct {path.name}; environments/examples/ has complete files",
    )


def _refuse_names_of_another(found: Environment, folder: Path) -> None:
    """Of prod and prod-nodes in one account, one would deploy over the other's stack."""
    for suffix in SUFFIXES:
        for other in (f"{found.name}{suffix}", found.name.removesuffix(suffix)):
            path = folder / f"{other}.toml"
            if other == found.name or not path.is_file():
                continue
            content = _parsed(path, other, folder)
            if (content.get("account_id"), content.get("region")) == (
                found.account_id,
                found.region,
            ):
                raise Refused(
                    f"{found.name}.toml and {other}.toml: what is called {suffix} of one would "
                    "have the name of the other's",
                    hint="give the file of the one that is not deployed yet another name",
                )


def _parsed(path: Path, name: str, folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        known = ", ".join(sorted(p.stem for p in folder.glob("*.toml")))
        raise Refused(
            f"there is no environment {name!r} in {folder}",
            hint=f"known environments: {known}; choose with --env or RAYKILN_ENV",
        ) from error
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", hint="name a TOML file by --env") from error
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1}"
        raise Refused(f"{path} is not UTF-8: {place}", hint="save it as UTF-8") from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, a number of 5000 digits
        raise Refused(f"{path} is not TOML: {error}", hint="correct that line") from error
