"""The stack of what nodes have besides the foundation, against CloudFormation as it is here."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint import lint_file

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from deploy.foundation.changes import apply_foundation, plan_foundation, remove_foundation
from deploy.foundation.node_needs import Needs, needs_of
from deploy.foundation.nodes_stack import (
    narrow_nodes,
    plan_nodes,
    remove_nodes,
    widen_nodes,
)
from deploy.foundation.nodes_template import body_of, nodes_template, resources_for
from deploy.foundation.stack import Foundation, find_foundation
from deploy.foundation.stack_plan import NodesPlan, StackPlan
from deploy.release.settings import Settings
from localcloud.world import World
from tests.unit.deploy.builders import an_environment, the_settings
from tests.unit.localcloud.fakes import FakeClock

CPU = {"instance_types": ["m6i.large"], "min": 0, "max": 2}
GPU = CPU | {
    "s3_read": ["data/training/*"],
    "s3_write": ["data/results/*"],
    "egress": ["tcp/5432 to 10.0.0.0/8"],
    "efs": [{"id": "fs-0123456789abcdef0", "mount": "/shared"}],
}
MPI = CPU | {"placement": "cluster", "efa": True, "zones": ["us-east-1a"]}
POLICY = "arn:aws:iam::aws:policy/AmazonAthenaFullAccess"


class Ground:
    """An environment's foundation, and the stack of its nodes."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.clients = clock, Clients("us-east-1")
        environment = an_environment()
        plan = plan_foundation(self.clients, environment, clock=clock)
        apply_foundation(self.clients, environment, plan, clock=clock)

    @property
    def foundation(self) -> Foundation:
        found = find_foundation(self.clients, an_environment())
        assert found is not None
        return found

    def plan(self, before: Needs, after: Needs) -> NodesPlan:
        environment, foundation = an_environment(), self.foundation
        return plan_nodes(self.clients, environment, foundation, before, after, clock=self.clock)

    def widen(self, before: Needs, after: Needs) -> Foundation:
        environment, foundation = an_environment(), self.foundation
        return widen_nodes(self.clients, environment, foundation, before, after, clock=self.clock)

    def narrow(self, needs: Needs) -> Foundation:
        return narrow_nodes(
            self.clients, an_environment(), self.foundation, needs, clock=self.clock
        )

    def apply(self, needs: Needs) -> Foundation:
        """Go from nothing to what is needed."""
        return self.widen(Needs(), needs)


@pytest.fixture
def ground(world: World, clock: FakeClock) -> Ground:
    return Ground(clock)


def settings(**changes: Any) -> Settings:
    return the_settings(an_environment(**changes))


def needs(**groups: Any) -> Needs:
    """Return the needs of an environment with these groups."""
    return needs_of(settings(workers=groups))


def the_changes(plan: StackPlan) -> set[str]:
    return {f"{change.action} {change.name}" for change in plan.changes}


def the_rules(group_id: str, direction: str) -> set[tuple[Any, ...]]:
    """Return a security group's rules: protocol, first and last port, range or group."""
    answer = boto3.client("ec2").describe_security_groups(GroupIds=[group_id])
    rules = answer["SecurityGroups"][0][f"IpPermissions{direction}"]
    return {
        (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"), peer)
        for rule in rules
        for peer in [
            *(one["CidrIp"] for one in rule["IpRanges"]),
            *(one["GroupId"] for one in rule["UserIdGroupPairs"]),
        ]
    }


# --- The template ---------------------------------------------------------------------------------


def test_cfn_lint_accepts_a_template_with_everything(tmp_path: Path) -> None:
    everything = replace(
        needs(**{"big-gpu": GPU | MPI | {"policy_arns": [POLICY]}}),
        kms_keys=("arn:aws:kms:us-east-1:123456789012:key/0",),
    )
    everything = everything.united(needs_of(settings(head=HEAD)))
    body = tmp_path / "nodes.json"
    resources = resources_for("dev", everything, ("10.77.0.0/16",), POLICY)
    body.write_text(body_of(nodes_template(resources)))

    assert [str(match) for match in lint_file(body)] == []


HEAD = {"instance_type": "m6i.large", "s3_read": ["data/*"], "egress": ["udp/123 to 10.0.0.0/8"]}


def test_groups_without_needs_of_their_own_need_no_stack(ground: Ground) -> None:
    assert needs(cpu=CPU) == Needs()
    assert is_empty(ground.plan(Needs(), Needs()))
    assert ground.apply(Needs()).nodes == ground.narrow(Needs()).nodes == {}


def is_empty(plan: NodesPlan) -> bool:
    return plan.widening.is_empty and plan.narrowing.is_empty


def test_names_of_groups_stay_apart(ground: Ground) -> None:
    placed = {"a-1": MPI, "a1": MPI}

    assert {"aX1PlacementGroup", "a1PlacementGroup"} <= set(ground.apply(needs(**placed)).nodes)


@pytest.mark.parametrize("key", ["s3_read", "s3_write"])
def test_a_policy_that_iam_would_not_take_is_refused(key: str) -> None:
    many = CPU | {key: [f"bucket-{number}/a-long-prefix-of-objects/*" for number in range(200)]}

    with pytest.raises(Refused, match=r"workers\.gpu: s3_read and s3_write make a policy of \d+"):
        resources_for("dev", needs(gpu=many), ())


# --- From nothing to a stack, and back ------------------------------------------------------------


def test_a_new_stack_is_planned_before_there_is_a_foundation(
    world: World, clock: FakeClock
) -> None:
    clients, environment = Clients("us-east-1"), an_environment()

    wanted = needs(gpu=GPU, mpi=MPI)
    plan = plan_nodes(clients, environment, None, Needs(), wanted, clock=clock)

    assert plan.widening.is_new
    assert plan.narrowing.is_empty
    assert the_changes(plan.widening) == {
        "add gpuRole",
        "add gpuProfile",
        "add gpuSecurityGroup",
        "add mpiSecurityGroup",
        "add mpiFromItself",
        "add mpiToItself",
        "add mpiPlacementGroup",
        "add headPolicy",
    }
    assert boto3.client("cloudformation").describe_stacks()["Stacks"] == []


def test_each_group_has_what_it_needs_and_no_other_has_it(ground: Ground) -> None:
    release = settings(workers={"cpu": CPU, "gpu": GPU, "mpi": MPI})
    cpu, gpu, mpi = release.groups

    foundation = ground.apply(needs_of(release))

    shared = foundation.worker_instance_profile_arn
    assert foundation.worker_profile(cpu) == foundation.worker_profile(mpi) == shared
    assert foundation.worker_profile(gpu).startswith(
        "arn:aws:iam::123456789012:instance-profile/raykiln-dev-nodes-gpuProfile-"
    )
    everyone = foundation.worker_security_group_id
    assert foundation.worker_security_groups(cpu) == (everyone,)
    _, own = foundation.worker_security_groups(gpu)
    assert the_rules(own, "Egress") == {
        ("tcp", 5432, 5432, "10.0.0.0/8"),
        ("tcp", 2049, 2049, "10.77.0.0/16"),
    }
    assert foundation.placement_group(cpu) == foundation.placement_group(gpu) == ""
    assert foundation.placement_group(mpi).startswith("raykiln-dev-nodes-mpiPlacementGroup-")
    assert find_foundation(ground.clients, an_environment()) == foundation


def test_file_systems_are_reached_in_every_range_of_an_existing_vpc(ground: Ground) -> None:
    ec2, vpc_id = boto3.client("ec2"), ground.foundation.vpc_id
    ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="10.78.0.0/16")
    release = settings(workers={"gpu": CPU | {"efs": GPU["efs"]}})

    _, own = ground.apply(needs_of(release)).worker_security_groups(release.groups[0])

    assert the_rules(own, "Egress") == {
        ("tcp", 2049, 2049, "10.77.0.0/16"),
        ("tcp", 2049, 2049, "10.78.0.0/16"),
    }


def test_a_connection_that_is_asked_for_twice_is_one_rule() -> None:
    rules = ["tcp/2049 to 10.77.0.0/16", "tcp/5432 to 10.0.0.0/8", "tcp/5432-5432 to 10.0.0.0/8"]
    wanted = needs(gpu=GPU | {"egress": rules})

    resources = resources_for("dev", wanted, ("10.77.0.0/16", "10.78.0.0/16"))

    egress = resources["gpuSecurityGroup"]["Properties"]["SecurityGroupEgress"]
    assert [(rule["FromPort"], rule["ToPort"], rule["CidrIp"]) for rule in egress] == [
        (2049, 2049, "10.77.0.0/16"),
        (5432, 5432, "10.0.0.0/8"),
        (2049, 2049, "10.78.0.0/16"),
    ]


def test_the_network_of_efa_allows_all_traffic_to_and_from_itself_alone(ground: Ground) -> None:
    release = settings(workers={"mpi": MPI})

    _, own = ground.apply(needs_of(release)).worker_security_groups(release.groups[0])

    assert the_rules(own, "") == {("-1", None, None, own)}
    assert the_rules(own, "Egress") == {
        ("-1", None, None, own),
        ("tcp", 443, 443, "127.0.0.1/32"),  # a group without a range would allow all
    }


def test_heads_have_their_own_access(ground: Ground) -> None:
    release = settings(head=HEAD | {"security_group_ids": ["sg-0123456789abcdef0"]})

    foundation = ground.apply(needs_of(release))

    first, own, named = foundation.head_security_groups(release)
    assert (first, named) == (foundation.head_security_group_id, "sg-0123456789abcdef0")
    assert the_rules(own, "Egress") == {("udp", 123, 123, "10.0.0.0/8")}
    attached = boto3.client("iam").list_attached_role_policies(RoleName=foundation.head_role_name)
    assert [
        one["PolicyName"].startswith("raykiln-dev-nodes-headPolicy-")
        for one in attached["AttachedPolicies"]
    ] == [True]


def test_roles_have_the_boundary_and_the_policies_that_are_named(ground: Ground) -> None:
    iam = boto3.client("iam")
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    mine = iam.create_policy(PolicyName="mine", PolicyDocument=document)["Policy"]["Arn"]
    environment = an_environment(
        nodes={"permissions_boundary": mine}, workers={"gpu": CPU | {"policy_arns": [mine]}}
    )
    plan = plan_foundation(ground.clients, environment, clock=ground.clock, policy_arns=(mine,))
    foundation = apply_foundation(
        ground.clients, environment, plan, clock=ground.clock, policy_arns=(mine,)
    )
    release = the_settings(environment)
    foundation = narrow_nodes(
        ground.clients, environment, foundation, needs_of(release), clock=ground.clock
    )

    profile = foundation.worker_profile(release.groups[0]).rpartition("/")[2]
    answer = iam.get_instance_profile(InstanceProfileName=profile)
    role = answer["InstanceProfile"]["Roles"][0]
    assert role["Path"] == "/raykiln/dev/workers/"
    assert the_policies(role["RoleName"]) == {mine, foundation.worker_policy_arn}
    assert the_policies(foundation.head_role_name) == {mine}
    roles = iam.list_roles()["Roles"]
    bounded = [iam.get_role(RoleName=one["RoleName"])["Role"] for one in roles]
    assert {one["PermissionsBoundary"]["PermissionsBoundaryArn"] for one in bounded} == {mine}


def the_policies(role: str) -> set[str]:
    """Return the managed policies of a role."""
    found = boto3.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return {one["PolicyArn"] for one in found}


def test_a_plan_names_each_change_of_the_stack(ground: Ground) -> None:
    ground.apply(needs(gpu=GPU))
    more = needs(gpu=GPU | {"s3_read": ["data/training/*", "data/more/*"]}, mpi=MPI)

    plan = ground.plan(needs(gpu=GPU), more)

    assert not plan.widening.is_new
    assert the_changes(plan.widening) == {
        "change gpuRole",
        "change headPolicy",
        "add mpiSecurityGroup",
        "add mpiFromItself",
        "add mpiToItself",
        "add mpiPlacementGroup",
    }
    assert plan.narrowing.is_empty
    assert is_empty(ground.plan(needs(gpu=GPU), needs(gpu=GPU)))


def test_what_running_instances_use_is_removed_last(ground: Ground) -> None:
    before = needs(gpu=GPU, mpi=MPI)
    after = needs(gpu=GPU | {"egress": [], "efs": []}, cpu=CPU)
    made = ground.apply(before).nodes

    plan = ground.plan(before, after)

    assert plan.widening.is_empty
    assert the_changes(plan.narrowing) == {
        "remove gpuSecurityGroup",
        "remove mpiSecurityGroup",
        "remove mpiFromItself",
        "remove mpiToItself",
        "remove mpiPlacementGroup",
        "remove headPolicy",
    }
    assert ground.widen(before, after).nodes == made
    assert set(ground.narrow(after).nodes) == {"gpuProfile", "gpuRole", "TagKeys"}
    assert is_empty(ground.plan(after, after))


def test_data_that_a_release_gives_up_stays_readable_until_its_workers_are_replaced(
    ground: Ground,
) -> None:
    before, after = needs(gpu=GPU), needs(gpu=GPU | {"s3_read": ["data/other/*"]})
    ground.apply(before)

    plan = ground.plan(before, after)

    assert the_changes(plan.widening) == the_changes(plan.narrowing) == {"change gpuRole"}
    role = made_by_the_stack("gpuRole")
    ground.widen(before, after)
    assert the_objects(role) == {"data/training/*", "data/other/*"}
    ground.narrow(after)
    assert the_objects(role) == {"data/other/*"}


def made_by_the_stack(logical_id: str) -> str:
    """Return the physical id of a resource of the stack."""
    found = boto3.client("cloudformation").describe_stack_resource(
        StackName="raykiln-dev-nodes", LogicalResourceId=logical_id
    )
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def the_objects(role: str) -> set[str]:
    """Return the objects that a role may read."""
    answer = boto3.client("iam").get_role_policy(RoleName=role, PolicyName="data")
    reads = answer["PolicyDocument"]["Statement"][0]
    assert reads["Action"] == ["s3:GetObject"]
    return {arn.removeprefix("arn:aws:s3:::") for arn in reads["Resource"]}


def test_what_a_rollout_left_that_was_given_up_is_removed_by_the_next(ground: Ground) -> None:
    """Workers of a group may run that neither the served nor the desired release has."""
    ground.apply(needs(mpi=MPI))

    plan = ground.plan(Needs(), Needs())

    assert plan.widening.is_empty
    assert "remove mpiPlacementGroup" in the_changes(plan.narrowing)
    assert "mpiPlacementGroup" in ground.widen(Needs(), Needs()).nodes
    assert ground.narrow(Needs()).nodes == {}


def test_a_stack_that_nothing_needs_is_deleted(ground: Ground) -> None:
    ground.apply(needs(gpu=GPU))

    plan = ground.plan(needs(gpu=GPU), Needs())
    foundation = ground.narrow(Needs())

    assert the_changes(plan.narrowing) == {
        "remove gpuRole",
        "remove gpuProfile",
        "remove gpuSecurityGroup",
        "remove headPolicy",
    }
    assert foundation.nodes == {}
    assert ground.foundation.nodes == {}
    assert boto3.client("iam").list_roles(PathPrefix="/raykiln/")["Roles"] == []


def test_the_foundation_can_be_removed_once_its_nodes_are(ground: Ground) -> None:
    environment = an_environment()
    ground.apply(needs(gpu=GPU).united(needs_of(settings(head=HEAD))))

    with pytest.raises(PipelineError, match="DELETE_FAILED"):
        remove_foundation(ground.clients, environment, clock=ground.clock)
    assert remove_nodes(ground.clients, environment, clock=ground.clock)
    assert remove_foundation(ground.clients, environment, clock=ground.clock)
    assert not remove_nodes(ground.clients, environment, clock=ground.clock)


def test_what_a_killed_run_left_is_completed(ground: Ground) -> None:
    interrupted = needs(gpu=GPU)
    leave_a_change_set(ground, interrupted)

    assert ground.plan(Needs(), interrupted).widening.is_new
    assert "gpuProfile" in ground.apply(interrupted).nodes


def test_a_run_that_is_killed_while_the_stack_changes_is_completed(ground: Ground) -> None:
    interrupted = needs(gpu=GPU)
    made = leave_a_change_set(ground, interrupted)
    boto3.client("cloudformation").execute_change_set(ChangeSetName=made)

    assert "gpuProfile" in ground.apply(interrupted).nodes


def leave_a_change_set(ground: Ground, wanted: Needs) -> str:
    """Leave what a deployer leaves that is killed before it executes its change set."""
    template = nodes_template(resources_for("dev", wanted, ("10.77.0.0/16",)))
    made = boto3.client("cloudformation").create_change_set(
        StackName="raykiln-dev-nodes",
        ChangeSetName="raykiln-left",
        ChangeSetType="CREATE",
        TemplateBody=body_of(template),
        Parameters=[
            {
                "ParameterKey": "WorkerPolicyArn",
                "ParameterValue": ground.foundation.worker_policy_arn,
            },
            {"ParameterKey": "HeadRoleName", "ParameterValue": ground.foundation.head_role_name},
            {"ParameterKey": "VpcId", "ParameterValue": ground.foundation.vpc_id},
            {"ParameterKey": "TagKeys", "ParameterValue": "project raykiln:environment"},
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    ground.clock.advance(10)
    return str(made["Id"])


def test_what_does_not_exist_yet_is_lacking(ground: Ground) -> None:
    release = settings(workers={"gpu": GPU})
    environment: Environment = an_environment()

    assert not ground.foundation.is_ready_for(release.groups[0])
    assert ground.foundation.is_ready_for(the_settings(environment).groups[0])
    assert ground.foundation.is_ready_for_heads(release)
    assert not ground.foundation.is_ready_for_heads(settings(head=HEAD))
    with pytest.raises(PipelineError, match="gpu has no Profile of its own yet"):
        ground.foundation.worker_profile(release.groups[0])
    assert ground.apply(needs_of(release)).is_ready_for(release.groups[0])
