"""Services of ECS: as many tasks as desired, deployments that roll, and what happens when not."""

from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.driver import Host, Power
from localcloud.patches import shortages
from localcloud.patches.ecs import runtime, spot
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.ecs import IMAGE, Ecs
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

BREAKER: dict[str, Any] = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
SPOT_FIRST = [
    {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
    {"capacityProvider": "FARGATE_SPOT", "weight": 3},
]


@pytest.fixture
def ecs(aws: Clients, clock: FakeClock) -> Ecs:
    return Ecs(aws, clock)


def id_of(task: dict[str, Any]) -> str:
    return str(task["taskArn"]).rpartition("/")[2]


def states(ecs: Ecs) -> list[tuple[str, str, int]]:
    """The service's deployments: status, rollout, running tasks."""
    every = ecs.described()["deployments"]
    return [(one["status"], one["rolloutState"], one["runningCount"]) for one in every]


def test_a_service_keeps_as_many_tasks_as_desired(ecs: Ecs) -> None:
    ecs.service(ecs.definition(), count=3)
    assert ecs.described()["runningCount"] == 0
    ecs.settle()

    found = ecs.described()
    assert (found["desiredCount"], found["runningCount"], found["pendingCount"]) == (3, 3, 0)
    assert states(ecs) == [("PRIMARY", "COMPLETED", 3)]
    assert ecs.messages()[0].startswith("(service ray) has started 3 tasks: (task ")
    assert ecs.messages()[-1] == "(service ray) has reached a steady state."


def test_a_task_that_exits_is_replaced(ecs: Ecs) -> None:
    ecs.service(ecs.definition())
    ecs.settle()
    (first,) = ecs.listed()

    ecs.exit(id_of(first), 137)
    ecs.settle()

    (second,) = ecs.listed()
    assert second["taskArn"] != first["taskArn"]
    (stopped,) = ecs.listed(desired="STOPPED")
    assert (stopped["taskArn"], stopped["stopCode"]) == (
        first["taskArn"],
        "EssentialContainerExited",
    )


def test_scaling_changes_the_number_of_tasks(ecs: Ecs) -> None:
    ecs.service(ecs.definition(), count=1)
    ecs.settle()

    for count in (4, 2, 0):
        ecs.api.update_service(cluster="c", service="ray", desiredCount=count)
        ecs.settle()
        assert len(ecs.listed()) == ecs.described()["runningCount"] == count
    assert len(ecs.described()["deployments"]) == 1


def test_scaling_in_spares_protected_tasks(ecs: Ecs) -> None:
    ecs.service(ecs.definition(), count=3)
    ecs.settle()
    kept = ecs.listed()[-1]["taskArn"]
    ecs.api.update_task_protection(cluster="c", tasks=[kept], protectionEnabled=True)

    ecs.api.update_service(cluster="c", service="ray", desiredCount=1)
    ecs.settle()

    assert [task["taskArn"] for task in ecs.listed()] == [kept]


class TestDeployments:
    def test_with_100_and_200_percent_the_new_run_before_the_old_stop(self, ecs: Ecs) -> None:
        ecs.service(ecs.definition(), count=2)
        ecs.settle()

        ecs.api.update_service(cluster="c", service="ray", taskDefinition=ecs.definition())
        ecs.clock.advance(2)
        assert [one[0] for one in states(ecs)] == ["PRIMARY", "ACTIVE"]
        assert (len(ecs.listed()), ecs.described()["runningCount"]) == (4, 2)
        ecs.settle()

        assert states(ecs) == [("PRIMARY", "COMPLETED", 2)]
        assert {task["taskDefinitionArn"][-2:] for task in ecs.listed()} == {":2"}

    def test_with_0_and_100_percent_there_are_never_two(self, ecs: Ecs) -> None:
        percent = {"minimumHealthyPercent": 0, "maximumPercent": 100}
        ecs.service(ecs.definition(), deploymentConfiguration=percent)
        ecs.settle()

        ecs.api.update_service(cluster="c", service="ray", forceNewDeployment=True)
        for _ in range(5):  # the old container takes its time to exit
            ecs.clock.advance(1)
            ecs.start_all()
            assert len(runtime.plans()) == 1
        assert runtime.plans()[0].stopping
        ecs.settle()

        assert states(ecs) == [("PRIMARY", "COMPLETED", 1)]

    def test_half_may_stop_with_50_percent(self, ecs: Ecs) -> None:
        percent = {"minimumHealthyPercent": 50, "maximumPercent": 100}
        ecs.service(ecs.definition(), count=4, deploymentConfiguration=percent)
        ecs.settle()

        ecs.api.update_service(cluster="c", service="ray", forceNewDeployment=True)
        ecs.clock.advance(1)

        assert sum(plan.stopping for plan in runtime.plans()) == 2
        ecs.settle(40)
        assert states(ecs) == [("PRIMARY", "COMPLETED", 4)]

    def test_the_same_again_is_no_deployment(self, ecs: Ecs) -> None:
        definition = ecs.definition()
        ecs.service(definition)
        ecs.settle()
        before = ecs.described()["deployments"][0]["id"]

        ecs.api.update_service(cluster="c", service="ray", taskDefinition=definition)

        assert [one["id"] for one in ecs.described()["deployments"]] == [before]

    @pytest.mark.parametrize("percent", [(100, 100), (50, 99), (101, 200)])
    def test_percentages_without_room_are_refused(self, ecs: Ecs, percent: tuple[int, int]) -> None:
        given = {"minimumHealthyPercent": percent[0], "maximumPercent": percent[1]}
        with pytest.raises(ClientError, match="maximumPercent must be"):
            ecs.service(ecs.definition(), deploymentConfiguration=given)


class TestCircuitBreaker:
    def deploy_broken(self, ecs: Ecs, count: int = 1, **configuration: Any) -> str:
        """A service that works, then a definition whose container exits at once."""
        ecs.service(ecs.definition(), count=count, deploymentConfiguration=configuration)
        ecs.settle()
        broken = ecs.definition(command=["false"])
        ecs.api.update_service(cluster="c", service="ray", taskDefinition=broken)
        return broken

    def test_it_rolls_back_after_three_failed_tasks(self, ecs: Ecs) -> None:
        broken = self.deploy_broken(ecs, **BREAKER)
        ecs.settle(60, broken=[broken])

        assert states(ecs) == [("PRIMARY", "COMPLETED", 1)]
        assert ecs.described()["taskDefinition"].endswith("ray:1")
        failed = [t for t in ecs.listed(desired="STOPPED") if t["taskDefinitionArn"] == broken]
        assert len(failed) == 3
        events = "\n".join(ecs.messages())
        assert "deployment failed: tasks failed to start." in events
        assert "rolling back to (deployment ecs-svc/" in events

    def test_what_works_runs_all_along(self, ecs: Ecs) -> None:
        broken = self.deploy_broken(ecs, **BREAKER)
        for _ in range(60):
            ecs.settle(1, broken=[broken])
            running = [t for t in ecs.listed() if t["lastStatus"] == "RUNNING"]
            assert [t for t in running if t["taskDefinitionArn"].endswith("ray:1")]

    def test_without_rollback_the_deployment_stays_failed(self, ecs: Ecs) -> None:
        only: dict[str, Any] = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
        broken = self.deploy_broken(ecs, **only)
        ecs.settle(60, broken=[broken])

        assert states(ecs) == [("PRIMARY", "FAILED", 0), ("ACTIVE", "COMPLETED", 1)]
        assert len(ecs.listed()) == 1

    def test_without_breaker_it_is_tried_for_ever(self, ecs: Ecs) -> None:
        broken = self.deploy_broken(ecs)
        ecs.settle(60, broken=[broken])

        assert states(ecs)[0][1] == "IN_PROGRESS"
        failed = [t for t in ecs.listed(desired="STOPPED") if t["taskDefinitionArn"] == broken]
        assert len(failed) > 10  # tasks that ran are not delayed

    @pytest.mark.parametrize(("count", "threshold"), [(1, 3), (6, 3), (7, 4), (500, 200)])
    def test_the_threshold_is_half_of_the_desired_count(
        self, ecs: Ecs, count: int, threshold: int
    ) -> None:
        from localcloud.patches.ecs.services import services

        ecs.service(ecs.definition(), count=0)
        services()["c:ray"].desired = count

        assert services()["c:ray"].threshold == threshold


class TestBackOff:
    def test_tasks_that_never_run_are_delayed_more_and_more(self, ecs: Ecs) -> None:
        ecs.service(ecs.definition())
        made: list[float] = []
        for _ in range(200):
            ecs.clock.advance(1)
            for plan in runtime.plans():
                if not plan.stopping:
                    runtime.failed(plan.task_id, "CannotPullContainerError: not found")
                    made.append(ecs.clock.now())
                runtime.gone(plan.task_id)

        gaps = [round(after - before) for before, after in pairwise(made)]
        assert [5 <= gap < 9 for gap in gaps[:1]] == [True]
        assert gaps == sorted(gaps)
        assert gaps[-1] >= 4 * gaps[0]
        assert "(service ray) is unable to consistently start tasks successfully." in ecs.messages()
        (stopped, *_) = ecs.listed(desired="STOPPED")
        assert stopped["stoppedReason"] == "CannotPullContainerError: not found"

    def test_a_new_deployment_starts_at_once(self, ecs: Ecs) -> None:
        ecs.service(ecs.definition())
        for _ in range(60):
            ecs.clock.advance(1)
            for plan in runtime.plans():
                runtime.failed(plan.task_id, "CannotPullContainerError: not found")
                runtime.gone(plan.task_id)

        ecs.api.update_service(cluster="c", service="ray", taskDefinition=ecs.definition())
        ecs.clock.advance(1)

        assert [t["taskDefinitionArn"][-2:] for t in ecs.listed()] == [":2"]


class TestHealth:
    def test_a_deployment_waits_for_the_health_check(self, ecs: Ecs) -> None:
        check = {"command": ["CMD", "true"]}
        ecs.service(ecs.definition(healthCheck=check))
        ecs.settle(30)
        assert states(ecs) == [("PRIMARY", "IN_PROGRESS", 1)]

        runtime.health(id_of(ecs.listed()[0]), "ray", "HEALTHY")
        ecs.settle(2)

        assert states(ecs) == [("PRIMARY", "COMPLETED", 1)]
        assert ecs.listed()[0]["healthStatus"] == "HEALTHY"

    def test_an_unhealthy_task_is_replaced(self, ecs: Ecs) -> None:
        ecs.service(ecs.definition(healthCheck={"command": ["CMD", "true"]}))
        ecs.settle(3)
        (first,) = ecs.listed()

        runtime.health(id_of(first), "ray", "UNHEALTHY")
        ecs.settle(3)

        assert ecs.listed()[0]["taskArn"] != first["taskArn"]
        assert ecs.task(first["taskArn"])["stoppedReason"] == "Task failed container health checks"


class TestCapacity:
    def test_a_strategy_places_its_base_first_and_then_by_weight(self, ecs: Ecs) -> None:
        ecs.service(ecs.definition(), count=5, capacityProviderStrategy=SPOT_FIRST)
        ecs.settle()

        placed = sorted(task["capacityProviderName"] for task in ecs.listed())
        assert placed == ["FARGATE"] * 2 + ["FARGATE_SPOT"] * 3
        assert "launchType" not in ecs.described()

    def test_an_interrupted_task_is_stopped_and_replaced(self, ecs: Ecs, tmp_path: Any) -> None:
        ecs.service(ecs.definition(), count=2, capacityProviderStrategy=SPOT_FIRST)
        ecs.settle()
        kept, on_spot = sorted(ecs.listed(), key=lambda task: task["capacityProviderName"])
        file = tmp_path / "interruptions"
        at = ecs.clock.now() + 5
        file.write_text(f"{id_of(on_spot)} {at}\n{id_of(kept)} {at}\n")
        spot.follow(file)

        ecs.clock.advance(4)
        assert ecs.task(on_spot["taskArn"])["desiredStatus"] == "RUNNING"
        ecs.settle()

        stopped = ecs.task(on_spot["taskArn"])
        assert stopped["stopCode"] == "SpotInterruption"
        assert stopped["stoppedReason"] == "Your Spot Task was interrupted."
        assert ecs.task(kept["taskArn"])["desiredStatus"] == "RUNNING"
        assert len(ecs.listed()) == 2

    def test_without_spot_capacity_the_service_says_so_and_waits(self, ecs: Ecs) -> None:
        shortages.declare("fargate", "*", "spot")
        ecs.service(ecs.definition(), count=3, capacityProviderStrategy=SPOT_FIRST)
        ecs.settle(4)
        assert any("Capacity is unavailable at this time" in one for one in ecs.messages())

        shortages.clear()
        ecs.settle(30)

        assert len(ecs.listed()) == 3

    @pytest.mark.parametrize(
        ("strategy", "words"),
        [
            ([{"capacityProvider": "FARGATE", "weight": 0}], "weight greater than zero"),
            ([{"capacityProvider": "mine", "weight": 1}], "no capacity provider mine"),
            (
                [
                    {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
                    {"capacityProvider": "FARGATE_SPOT", "base": 1, "weight": 1},
                ],
                "Only one capacity provider",
            ),
        ],
    )
    def test_a_wrong_strategy_is_refused(
        self, ecs: Ecs, strategy: list[dict[str, Any]], words: str
    ) -> None:
        with pytest.raises(ClientError, match=words):
            ecs.service(ecs.definition(), capacityProviderStrategy=strategy)


def test_a_service_reports_what_its_tasks_use(ecs: Ecs, aws: Clients) -> None:
    ecs.service(ecs.definition(), count=2)
    ecs.settle(2)
    for task, cpu in zip(ecs.listed(), (20.0, 60.0), strict=True):
        runtime.usage(id_of(task), cpu, 50.0)
    ecs.clock.advance(10)

    cloudwatch = aws("cloudwatch")
    where = [{"Name": "ClusterName", "Value": "c"}, {"Name": "ServiceName", "Value": "ray"}]
    for name, value in {"CPUUtilization": 40.0, "MemoryUtilization": 50.0}.items():
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/ECS",
            MetricName=name,
            Dimensions=where,
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=value,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )
    ecs.clock.advance(10)

    alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    assert {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms} == {
        "CPUUtilization": "ALARM",
        "MemoryUtilization": "ALARM",
    }


class TestCloudMap:
    def test_running_tasks_are_instances_of_the_registry(self, ecs: Ecs, aws: Clients) -> None:
        from localcloud.resolver import desired_records

        cloud_map, vpc = aws("servicediscovery"), aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        cloud_map.create_private_dns_namespace(Name="ray.local", Vpc=vpc)
        (space,) = cloud_map.list_namespaces()["Namespaces"]
        made = cloud_map.create_service(
            Name="head",
            NamespaceId=space["Id"],
            DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}]},
        )["Service"]
        ecs.service(ecs.definition(), serviceRegistries=[{"registryArn": made["Arn"]}])
        ecs.clock.advance(2)
        assert desired_records().addresses.get("head.ray.local", ()) == ()
        ecs.settle()

        (task,) = ecs.listed()
        details = {d["name"]: d["value"] for d in task["attachments"][0]["details"]}
        address = details["privateIPv4Address"]
        assert desired_records().addresses["head.ray.local"] == (address,)
        assert "ray.local" in desired_records().zones
        (instance,) = cloud_map.list_instances(ServiceId=made["Id"])["Instances"]
        assert instance["Attributes"]["AWS_INSTANCE_IPV4"] == address
        assert instance["Attributes"]["ECS_SERVICE_NAME"] == "ray"

        with pytest.raises(ClientError, match="ResourceInUse"):
            cloud_map.delete_service(Id=made["Id"])
        ecs.api.update_service(cluster="c", service="ray", desiredCount=0)
        ecs.settle(2)
        assert cloud_map.list_instances(ServiceId=made["Id"])["Instances"] == []
        with pytest.raises(ClientError, match="ResourceInUse"):
            cloud_map.delete_namespace(Id=space["Id"])
        cloud_map.delete_service(Id=made["Id"])
        cloud_map.delete_namespace(Id=space["Id"])
        assert desired_records().zones == ()


class TestBalancer:
    """A service whose tasks are targets of a network load balancer."""

    @pytest.fixture
    def group(self, ecs: Ecs, aws: Clients) -> str:
        """A target group of addresses, behind a load balancer; return its ARN."""
        elbv2, vpc = aws("elbv2"), aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        made = elbv2.create_target_group(
            Name="ray",
            Protocol="TCP",
            Port=8000,
            VpcId=vpc,
            TargetType="ip",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        balancer = elbv2.create_load_balancer(
            Name="ray", Type="network", Scheme="internal", Subnets=ecs.subnets
        )["LoadBalancers"][0]
        forward = [{"Type": "forward", "TargetGroupArn": arn}]
        elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="TCP",
            Port=8000,
            DefaultActions=forward,
        )
        balancers = [{"targetGroupArn": arn, "containerName": "ray", "containerPort": 8000}]
        ecs.service(ecs.definition(), loadBalancers=balancers, healthCheckGracePeriodSeconds=30)
        return arn

    def states(self, aws: Clients, group: str) -> list[str]:
        found = aws("elbv2").describe_target_health(TargetGroupArn=group)
        return [one["TargetHealth"]["State"] for one in found["TargetHealthDescriptions"]]

    def test_a_deployment_is_complete_when_its_targets_are_healthy(
        self, ecs: Ecs, aws: Clients, driver: FakeDriver, group: str
    ) -> None:
        ecs.settle(8)
        assert (states(ecs)[0][1], self.states(aws, group)) == ("IN_PROGRESS", ["initial"])

        listening(ecs, driver)
        ecs.settle(20)

        assert (states(ecs)[0][1], self.states(aws, group)) == ("COMPLETED", ["healthy"])
        ecs.api.update_service(cluster="c", service="ray", desiredCount=0)
        ecs.settle(2)
        assert self.states(aws, group) in ([], ["draining"])

    def test_a_task_whose_target_is_unhealthy_is_replaced_after_its_grace_period(
        self, ecs: Ecs, group: str
    ) -> None:
        ecs.settle(25)
        (first,) = ecs.listed()

        ecs.settle(20)

        stopped = ecs.task(first["taskArn"])
        assert (
            stopped["stoppedReason"] == f"Task failed ELB health checks in (target-group {group})"
        )


def listening(ecs: Ecs, driver: FakeDriver) -> None:
    """A machine stands for the container of the service's task: its port is open."""
    (task,) = ecs.listed()
    details = {d["name"]: d["value"] for d in task["attachments"][0]["details"]}
    host = Host("i-0", "ami-1", details["privateIPv4Address"], "", 1, 1024)
    driver.launch(host)
    driver.machines["i-0"].power = Power.UP
    driver.serve("i-0", 8000)


class TestRequests:
    def test_a_name_is_used_once(self, ecs: Ecs) -> None:
        ecs.service(ecs.definition())
        with pytest.raises(ClientError, match="not idempotent"):
            ecs.service(ecs.definition())

    def test_a_service_with_tasks_is_deleted_only_by_force(self, ecs: Ecs) -> None:
        ecs.service(ecs.definition())
        ecs.settle()
        with pytest.raises(ClientError, match="scaled above 0"):
            ecs.api.delete_service(cluster="c", service="ray")
        with pytest.raises(ecs.api.exceptions.ClusterContainsServicesException):
            ecs.api.delete_cluster(cluster="c")

        ecs.api.delete_service(cluster="c", service="ray", force=True)
        assert ecs.described()["status"] == "DRAINING"
        ecs.settle(3)

        assert ecs.described()["status"] == "INACTIVE"
        assert ecs.api.list_services(cluster="c")["serviceArns"] == []
        ecs.api.delete_cluster(cluster="c")

    def test_a_service_keeps_what_was_asked_for(self, ecs: Ecs) -> None:
        ecs.service(ecs.definition(), enableExecuteCommand=True, deploymentConfiguration=BREAKER)

        found = ecs.described()
        assert found["enableExecuteCommand"] is True
        assert found["deploymentConfiguration"] == {
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
            **BREAKER,
        }

    def test_tags_go_to_the_tasks_where_that_is_asked_for(self, ecs: Ecs) -> None:
        tags = [{"key": "team", "value": "rays"}]
        ecs.service(ecs.definition(), tags=tags, propagateTags="SERVICE")
        ecs.settle(2)

        arn = ecs.listed()[0]["taskArn"]
        found = ecs.api.describe_tasks(cluster="c", tasks=[arn], include=["TAGS"])["tasks"][0]
        assert found["tags"] == tags

    def test_an_unknown_subnet_is_refused(self, ecs: Ecs) -> None:
        network = {"awsvpcConfiguration": {"subnets": ["subnet-0"]}}
        with pytest.raises(ClientError, match=r"InvalidSubnetID\.NotFound"):
            ecs.service(ecs.definition(), networkConfiguration=network)

    def test_a_cluster_counts_its_tasks(self, ecs: Ecs) -> None:
        ecs.service(ecs.register("plain", [{"name": "ray", "image": IMAGE}]), count=2)
        ecs.settle(2)

        (found,) = ecs.api.describe_clusters(clusters=["c"])["clusters"]
        assert (found["runningTasksCount"], found["activeServicesCount"]) == (2, 1)
