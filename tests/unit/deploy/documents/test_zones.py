"""The zones of the pipeline's own VPC: those that have Fargate and every endpoint service.

https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html
"""

import pytest

from common.errors import PipelineError, Refused
from deploy.documents.zones import FARGATE, zones_for
from deploy.foundation.stack import Stack, find_stack
from tests.unit.deploy.documents.pipeline import STACK, Pipeline, on_cluster, with_documents
from tests.unit.localcloud.endpoints import serve

A, B, C, D = (f"us-east-1{letter}" for letter in "abcd")
CLOSED = {"endpoints": True, "nat": False}


def zones_of(pipeline: Pipeline, stack: Stack) -> list[str]:
    """Return the zones of the stack's subnets: the public one, and the private ones."""
    private = stack.outputs["PrivateSubnetIds"].split(",")
    ids = [stack.outputs["PublicSubnetId"], *private]
    found = pipeline.found("ec2", "describe_subnets", SubnetIds=ids)["Subnets"]
    by_id = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in found}
    return [by_id[one] for one in ids]


def test_without_endpoints_it_is_in_the_first_two_zones(pipeline: Pipeline) -> None:
    environment = with_documents()
    zones = zones_for(pipeline.clients, environment, None)

    stack = pipeline.apply(environment, zones=zones)

    assert zones == (A, B)
    assert zones_of(pipeline, stack) == [A, A, B]


def test_a_zone_without_an_endpoint_service_is_not_chosen(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, "s3vectors", B, D, C)
    serve(monkeypatch, "ssmmessages", A, B, D)
    environment = with_documents(**CLOSED)
    zones = zones_for(pipeline.clients, environment, None)

    stack = pipeline.apply(environment, zones=zones)

    assert zones == (B, D)
    assert zones_of(pipeline, stack) == [B, B, D]


def test_in_the_first_two_zones_creation_would_fail_where_one_lacks_a_service(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, "s3vectors", B, C)

    with pytest.raises(PipelineError, match="does not support the availability zone"):
        pipeline.apply(with_documents(**CLOSED))


def test_a_zone_without_fargate_is_not_chosen(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html has ids."""
    zones = pipeline.found("ec2", "describe_availability_zones")["AvailabilityZones"]
    ids = {zone["ZoneName"]: zone["ZoneId"] for zone in zones}
    monkeypatch.setitem(FARGATE, "us-east-1", frozenset({ids[B], ids[C]}))

    assert zones_for(pipeline.clients, with_documents(), None) == (B, C)


def test_where_too_few_zones_will_do_each_is_named_with_what_it_lacks(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, "sqs", A, "us-east-1e")
    serve(monkeypatch, "logs", A)

    with pytest.raises(Refused) as refused:
        zones_for(pipeline.clients, with_documents(**CLOSED), None)

    assert refused.value.message == (
        "the documents of dev need 2 zones, and of us-east-1's 6 only 1 will do: "
        "us-east-1b has no sqs, logs; us-east-1c has no sqs, logs; us-east-1d has no sqs, logs; "
        "us-east-1e has no logs; us-east-1f has no sqs, logs"
    )


def test_a_service_that_the_region_lacks_is_named(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, "s3vectors")

    with pytest.raises(Refused, match="only 0 will do: us-east-1a has no s3vectors; "):
        zones_for(pipeline.clients, with_documents(**CLOSED), None)


@pytest.mark.parametrize("named", [(), (C, D)])
def test_a_stack_keeps_its_zones_whatever_is_offered_later(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...]
) -> None:
    """Also one that was made without naming them, from before there were parameters for them."""
    environment = with_documents(**CLOSED)
    before = pipeline.apply(environment, zones=named)
    serve(monkeypatch, "sqs", "us-east-1e", "us-east-1f")

    zones = zones_for(pipeline.clients, environment, find_stack(pipeline.clients, STACK))

    assert zones == (named or (A, B))
    plan = pipeline.plan(environment, zones=zones)
    assert [change for change in plan.changes if "Subnet" in str(change)] == []
    assert plan.replaces_nothing
    after = pipeline.apply(environment, zones=zones)
    assert after.outputs["PrivateSubnetIds"] == before.outputs["PrivateSubnetIds"]


def test_in_a_cluster_s_network_it_chooses_no_zones(pipeline: Pipeline) -> None:
    for environment in (with_documents(network="cluster"), on_cluster()):
        assert zones_for(pipeline.clients, environment, None) == ()
