"""Preflight of the documents: what would make the stack fail, found before anything changes."""

import json
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from deploy.documents.network_preflight import network_findings
from deploy.documents.preflight import preflight
from deploy.documents.quota_preflight import quota_findings
from deploy.foundation.stack import Foundation, Stack
from localcloud.world import World
from tests.unit.deploy.builders import a_foundation, an_environment
from tests.unit.deploy.documents.pipeline import STACK, with_documents

BUCKET = f"{STACK}-123456789012-us-east-1"
HERE = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"


class Answering:
    """AWS, where some operations answer or refuse as a test says."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.clients = answers, Clients("us-east-1")

    def __call__(self, service: str) -> Any:
        made = type("Client", (), {})()
        known = self.clients(service)
        made.__class__.__getattr__ = lambda _, name: self._call(known, name)
        return made

    def _call(self, client: Any, name: str) -> Any:
        if name not in self.answers:
            return getattr(client, name)
        answer = self.answers[name]

        def call(**request: Any) -> Any:
            found = answer(**request) if callable(answer) else answer
            if isinstance(found, str):
                raise ClientError({"Error": {"Code": found}}, name)
            return found

        return call


def refused(clients: Any, environment: Environment, stack: Stack | None = None) -> list[str]:
    """Return what a deploy is refused for."""
    with pytest.raises(Refused) as error:
        preflight(clients, environment, stack)
    head, *lines = str(error.value).splitlines()
    assert head.startswith("the documents of dev cannot be deployed:")
    return [line.strip() for line in lines if line.startswith("  ") and "→" not in line]


def a_stack(bucket: str) -> Stack:
    return Stack("id", STACK, "UPDATE_COMPLETE", "", {"S3BucketName": bucket}, {}, {})


def test_nothing_is_wrong_in_an_account_with_room(world: World) -> None:
    found = preflight(Clients("us-east-1"), with_documents(), None)

    assert not any(one.fatal for one in found)


# --- The bucket ---------------------------------------------------------------------------------


def test_a_bucket_of_one_s_own_is_not_taken_over(world: World) -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET)

    assert refused(Clients("us-east-1"), with_documents()) == [
        f"documents.bucket: {BUCKET} exists already, and this stack would not take it over"
    ]


@pytest.mark.parametrize("code", ["403", "301"])
def test_a_bucket_of_another_account_or_region_is_named(world: World, code: str) -> None:
    assert refused(Answering(head_bucket=code), with_documents(bucket="theirs")) == [
        "documents.bucket: theirs belongs to someone else, or is in another region"
    ]


def test_the_stack_s_own_bucket_is_not_looked_for(world: World) -> None:
    clients = Answering(head_bucket="403")

    assert preflight(clients, with_documents(), a_stack(BUCKET)) == ()  # type: ignore[arg-type] # asked as Clients are
    assert refused(clients, with_documents(), a_stack("before"))


# --- Secrets ------------------------------------------------------------------------------------


def a_secret(value: str) -> str:
    made = boto3.client("secretsmanager").create_secret(Name="keys", SecretString=value)
    return str(made["ARN"])


def test_a_secret_with_the_right_key_is_fine(world: World) -> None:
    arn = a_secret(json.dumps({"OPENAI_API_KEY": "sk-live"}))

    found = preflight(Clients("us-east-1"), with_documents(openai_secret_arn=arn), None)

    assert not any("secret" in one.words for one in found)


@pytest.mark.parametrize(
    "value", ["sk-live", '["sk-live"]', '{"KEY": "sk-live"}', '{"OPENAI_API_KEY": ""}', '"sk-live"']
)
def test_a_secret_without_the_key_is_refused_and_never_shown(world: World, value: str) -> None:
    arn = a_secret(value)

    found = refused(Clients("us-east-1"), with_documents(openai_secret_arn=arn))

    expected = f"documents.openai_secret_arn: {arn} is no JSON object with OPENAI_API_KEY"
    assert found == [expected]
    assert "sk-live" not in " ".join(found)


def test_a_secret_that_does_not_exist_or_has_no_value_is_refused(world: World) -> None:
    missing = f"{HERE}missing-abcdef"

    assert refused(Clients("us-east-1"), with_documents(pinecone_secret_arn=missing)) == [
        f"documents.pinecone_secret_arn: there is no {missing} with a value"
    ]


def test_the_whole_arn_of_a_secret_is_needed(world: World) -> None:
    arn = a_secret(json.dumps({"OPENAI_API_KEY": "sk-live"}))

    assert refused(Clients("us-east-1"), with_documents(openai_secret_arn=arn[:-7])) == [
        f"documents.openai_secret_arn: {arn[:-7]} is not the whole ARN of the secret"
    ]


def test_whoever_may_not_read_a_secret_is_told_what_it_must_hold(world: World) -> None:
    clients: Any = Answering(get_secret_value="AccessDeniedException")
    environment = with_documents(openai_secret_arn=f"{HERE}x-abcdef")

    (found, *_) = preflight(clients, environment, None)

    assert (found.fatal, "OPENAI_API_KEY" in found.hint) == (False, True)


# --- Quotas -------------------------------------------------------------------------------------


def quotas(**values: float) -> Any:
    """AWS with these quotas, by their codes without the hyphen."""

    def get_service_quota(ServiceCode: str, QuotaCode: str) -> Any:  # noqa: N803 # botocore's names
        value = values.get(QuotaCode.replace("-", ""))
        return "NoSuchResourceException" if value is None else {"Quota": {"Value": value}}

    return Answering(get_service_quota=get_service_quota)


PLENTY = {"LF678F1CE": 50.0, "L0263D0A3": 50.0, "L3032A538": 50.0, "L36FBB829": 50.0}


def marked(found: Any) -> list[str]:
    return [f"{'!' if one.fatal else ''}{one.words}" for one in found]


@pytest.mark.parametrize(
    ("less", "documents", "expected"),
    [
        ({}, {}, []),
        # A new account has one VPC, the default one.
        ({"LF678F1CE": 1.0}, {}, ["!the account has 1 VPCs of 1, and the documents take one more"]),
        ({"LF678F1CE": 1.0}, {"network": "cluster"}, []),
        (
            {"L0263D0A3": 0.0},
            {},
            ["!the account has 0 Elastic IP addresses of 0, and the documents take one more"],
        ),
        ({"L0263D0A3": 0.0}, {"nat": False, "endpoints": True}, []),
        ({"L3032A538": 1.0}, {}, ["!Fargate: the least tasks take 2 vCPUs of 1"]),
        ({"L3032A538": 6.0}, {}, ["Fargate: documents.worker.max takes 11 vCPUs of 6"]),
        (
            {"L36FBB829": 5.0},
            {"worker": {"spot_percent": 80}},
            ["Fargate Spot: documents.worker.max takes 8 vCPUs of 5"],
        ),
    ],
)
def test_what_exceeds_a_quota_is_said_with_numbers(
    world: World, less: dict[str, float], documents: dict[str, Any], expected: list[str]
) -> None:
    clients = quotas(**PLENTY | less)

    assert marked(quota_findings(clients, with_documents(**documents))) == expected


def test_quotas_that_cannot_be_read_keep_no_one_from_deploying(world: World) -> None:
    assert marked(quota_findings(quotas(), with_documents())) == [
        "the account's quota of VPCs could not be read",
        "the account's quota of Elastic IP addresses could not be read",
        "the account's quota of vCPUs on Fargate could not be read",
    ]


# --- The cluster's network ----------------------------------------------------------------------


class Network:
    """A VPC with two private subnets, as a cluster has it."""

    def __init__(self) -> None:
        self.ec2 = boto3.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        for name in ("EnableDnsSupport", "EnableDnsHostnames"):
            self.ec2.modify_vpc_attribute(VpcId=self.vpc, **{name: {"Value": True}})
        self.subnets = tuple(
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.9.{n}.0/24")["Subnet"]["SubnetId"]
            for n in (0, 1)
        )

    @property
    def cluster(self) -> Foundation:
        return replace(a_foundation(), vpc_id=self.vpc, private_subnet_ids=self.subnets)

    def open(self) -> None:
        """Give the main table, which both subnets use, a default route."""
        filters = [{"Name": "vpc-id", "Values": [self.vpc]}]
        (table,) = self.ec2.describe_route_tables(Filters=filters)["RouteTables"]
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(VpcId=self.vpc, InternetGatewayId=gateway)
        self.ec2.create_route(
            RouteTableId=table["RouteTableId"],
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId=gateway,
        )

    def findings(self, shares: bool = False, **documents: Any) -> list[str]:
        environment = an_environment(
            documents={"network": "cluster", **documents},
            network={"operator_cidrs": ["10.77.0.1/32"], "endpoints": shares},
        )
        return marked(network_findings(Clients("us-east-1"), environment, self.cluster))


@pytest.fixture
def network(world: World) -> Network:
    return Network()


def test_subnets_with_a_default_route_are_fine(network: Network) -> None:
    network.open()

    assert network.findings(embeddings="openai") == []


def test_subnets_without_one_need_endpoints(network: Network) -> None:
    closed = ", ".join(network.subnets)

    assert network.findings() == [f"!{closed}: there is no route to the image's registry"]
    assert network.findings(endpoints=True) == []


def test_no_endpoint_leads_to_openai(network: Network) -> None:
    closed = ", ".join(network.subnets)

    assert network.findings(endpoints=True, answers="openai") == [
        f"!{closed}: there is no route to OpenAI or Pinecone"
    ]


def test_names_need_the_vpc_s_resolver(network: Network) -> None:
    network.open()
    off = {"EnableDnsHostnames": {"Value": False}}
    network.ec2.modify_vpc_attribute(VpcId=network.vpc, **off)

    assert network.findings() == [
        f"!{network.vpc} has enableDnsHostnames off: workers would not find the head"
    ]


@pytest.mark.parametrize(
    ("service", "cluster_s", "tag", "conflicts"),
    [
        ("sqs", False, "", True),
        ("logs", False, "", True),
        ("logs", True, "", False),
        ("sqs", True, "", True),
        ("sqs", True, STACK, False),
        ("kms", False, "", False),
    ],
)
def test_an_endpoint_of_the_same_name_cannot_be_made_twice(
    network: Network, service: str, cluster_s: bool, tag: str, conflicts: bool
) -> None:
    network.open()
    made = network.ec2.create_vpc_endpoint(
        VpcId=network.vpc,
        VpcEndpointType="Interface",
        ServiceName=f"com.amazonaws.us-east-1.{service}",
        PrivateDnsEnabled=True,
        SubnetIds=[network.subnets[0]],
    )["VpcEndpoint"]["VpcEndpointId"]
    network.ec2.create_tags(
        Resources=[made], Tags=[{"Key": "aws:cloudformation:stack-name", "Value": tag}]
    )

    found = network.findings(shares=cluster_s, endpoints=True)

    words = f"!{network.vpc} has an endpoint of {service}, {made}"
    assert found == ([words] if conflicts else [])
