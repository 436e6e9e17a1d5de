"""What heads and workers alike may have: a volume, and access to a person's own data. No AWS.

An environment's ``[nodes]`` holds what all nodes have; ``[head]`` and each group of workers add
their own.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from common.table import Table, Text, like

# What gp3 offers: https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html
BASE_IOPS, MOST_IOPS = 3_000, 80_000
BASE_THROUGHPUT, MOST_THROUGHPUT = 125, 2_000  # MiB/s
IOPS_FOR_EACH_GIB = 500
IOPS_FOR_EACH_MIB = 4  # a throughput of 1 MiB/s needs 4 IOPS
MOST_GIB = 65_536
# At which a volume is filled from its snapshot, in MiB/s: EBS's "Provisioned Rate for Volume
# Initialization", https://docs.aws.amazon.com/ebs/latest/userguide/initalize-volume.html
INITIALIZATION_RATES = (100, 300)

_POLICY_ARN = r"arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+"
_A_POLICY = "arn:aws:iam::123456789012:policy/read-models"
PolicyArn = Annotated[Text, like(_POLICY_ARN, _A_POLICY)]
Boundary = Annotated[Text, like(rf"({_POLICY_ARN})?", _A_POLICY)]
SecurityGroupId = Annotated[Text, like(r"sg-[0-9a-f]{8,17}", "sg-0123456789abcdef0")]
# A bucket, then a key or the beginning of keys: bucket/prefix/*
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
OBJECTS = re.compile(r"(?![^/]*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^?$\"{}*]*\*?")
# What a policy may hold of it:
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
IN_POLICIES = re.compile(r"[ -~\u00a0-\u00ff]+")
# The protocol and its port or ports, then the range.
EGRESS = re.compile(r"(tcp|udp)/(\d{1,5})(?:-(\d{1,5}))? to (\d{1,3}(?:\.\d{1,3}){3}/\d{1,2})")
MOST_PORT = 65_535
# As launch templates take it: the key's ARN, whose id may be that of a key in several regions.
KmsKey = Annotated[
    Text,
    like(
        r"(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/(mrk-)?[0-9a-f-]{32,36})?",
        "arn:aws:kms:us-east-1:123456789012:key/12345678-90ab-cdef-1234-567890abcdef",
    ),
]
# Directories of the system and all below them, Raykiln's own, and those that hold them.
RESERVED_MOUNTS = re.compile(
    r"/((bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|root|run|sbin|snap|sys|tmp|usr|var)(/.*)?"
    r"|opt(/ray(kiln)?(/.*)?)?|mnt(/instance-store(/.*)?)?)"
)


class Volume(Table):
    """A root volume of type gp3; 0 stands for what the image or gp3 has by itself."""

    gib: int = Field(default=0, ge=0, le=MOST_GIB)
    iops: int = 0
    throughput: int = 0  # MiB/s
    initialization_rate: int = 0  # MiB/s; EBS itself promises none

    @field_validator("iops")
    @classmethod
    def _iops_are_gp3s(cls, iops: int) -> int:
        if iops and not BASE_IOPS <= iops <= MOST_IOPS:
            raise ValueError(f"gp3 has {BASE_IOPS} to {MOST_IOPS} IOPS")
        return iops

    @field_validator("throughput")
    @classmethod
    def _throughput_is_gp3s(cls, throughput: int) -> int:
        if throughput and not BASE_THROUGHPUT <= throughput <= MOST_THROUGHPUT:
            raise ValueError(f"gp3 has {BASE_THROUGHPUT} to {MOST_THROUGHPUT} MiB/s")
        return throughput

    @field_validator("initialization_rate")
    @classmethod
    def _rate_is_ebss(cls, rate: int) -> int:
        least, most = INITIALIZATION_RATES
        if rate and not least <= rate <= most:
            raise ValueError(f"EBS initializes volumes at {least} to {most} MiB/s")
        return rate

    @model_validator(mode="after")
    def _iops_suffice(self) -> "Volume":
        iops = self.iops or BASE_IOPS
        if self.throughput > iops / IOPS_FOR_EACH_MIB:
            raise ValueError(
                f"throughput = {self.throughput} needs {self.throughput * IOPS_FOR_EACH_MIB} iops"
            )
        if self.gib:
            self.check_iops(self.gib)
        return self

    def check_iops(self, gib: int) -> None:
        """Raise ValueError if a volume of this size cannot have the IOPS."""
        if self.iops > max(BASE_IOPS, gib * IOPS_FOR_EACH_GIB):
            raise ValueError(
                f"iops = {self.iops} needs {-(-self.iops // IOPS_FOR_EACH_GIB)} GiB "
                f"({IOPS_FOR_EACH_GIB} for each), and the volume has {gib}"
            )


class FileSystem(Table):
    """An EFS file system, and where nodes mount it."""

    id: Annotated[Text, like(r"fs-[0-9a-f]{8,17}", "fs-0123456789abcdef0")]
    mount: Annotated[str, like(r"(/[\w.-]+)+", "/shared")]

    @field_validator("mount")
    @classmethod
    def _mount_is_free(cls, mount: str) -> str:
        if {".", ".."} & set(mount.split("/")):
            raise ValueError(f"{mount}: no . or .. in a path")
        if RESERVED_MOUNTS.fullmatch(mount):
            raise ValueError(f"{mount} belongs to the system: mount below /mnt, /srv or your own")
        return mount


@dataclass(frozen=True)
class EgressRule:
    """A range of addresses and of ports that nodes may open connections to."""

    protocol: str
    first_port: int
    last_port: int
    cidr: IPv4Network

    @classmethod
    def parse(cls, rule: str) -> "EgressRule":
        """Parse ``tcp/5432 to 10.0.0.0/8``; raises ValueError for ports or ranges that are none."""
        words = EGRESS.fullmatch(rule)
        if not words:
            raise ValueError(f"{rule!r} is not like 'tcp/5432 to 10.0.0.0/8'")
        first, last = int(words[2]), int(words[3] or words[2])
        if not 1 <= first <= last <= MOST_PORT:
            raise ValueError(f"{rule}: ports are 1 to {MOST_PORT}, the lower first")
        return cls(words[1], first, last, IPv4Network(words[4]))


def _egress(rule: str) -> str:
    EgressRule.parse(rule)
    return rule


def _objects(value: str) -> str:
    if not OBJECTS.fullmatch(value):
        raise ValueError(f"{value!r} is not like 'bucket/prefix/*', 'bucket/key' or 'bucket/*'")
    if not IN_POLICIES.fullmatch(value):
        raise ValueError(f"{value!r} has characters that IAM takes in no policy: name less of it")
    if value.endswith("/"):
        raise ValueError(f"{value!r} holds none of the objects below it: write '{value}*'")
    return value


Objects = Annotated[Text, AfterValidator(_objects)]
Egress = Annotated[Text, AfterValidator(_egress)]


class Access(Table):
    """What nodes may reach besides their cluster."""

    policy_arns: tuple[PolicyArn, ...] = ()
    s3_read: tuple[Objects, ...] = ()
    s3_write: tuple[Objects, ...] = ()
    security_group_ids: tuple[SecurityGroupId, ...] = ()
    egress: tuple[Egress, ...] = ()
    efs: tuple[FileSystem, ...] = ()


class Nodes(Access):
    """What all nodes have."""

    # Of the roles that are created, for accounts that demand one.
    permissions_boundary: Boundary = ""
    # Of volumes and images; empty: the account's default key for EBS.
    kms_key: KmsKey = ""
