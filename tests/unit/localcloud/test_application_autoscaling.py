"""Application Auto Scaling: alarms of a policy, the capacity it asks for, cooldowns, activities."""

from typing import Any

import pytest

from localcloud.patches.applicationautoscaling.decisions import step_for, stepped, tracked
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.ecs import Ecs
from tests.unit.localcloud.fakes import FakeClock

TARGET = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/c/ray",
    "ScalableDimension": "ecs:service:DesiredCount",
}
STEPS = [
    {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 3},
]
BACKLOG = {"Namespace": "Documents", "MetricName": "Backlog", "Statistic": "Average"}


@pytest.mark.parametrize(
    ("current", "metric", "target", "wanted"),
    [(2, 10, 5, 4), (2, 11, 5, 5), (4, 5, 5, 4), (4, 1, 5, 1), (3, 0, 5, 0), (0, 10, 5, 2)],
)
def test_capacity_follows_the_metric(
    current: int, metric: float, target: float, wanted: int
) -> None:
    assert tracked(current, metric, target) == wanted


@pytest.mark.parametrize(
    ("breach", "adjustment"), [(0, 1), (9.9, 1), (10, 3), (500, 3), (-0.1, None)]
)
def test_a_step_is_chosen_by_the_breach(breach: float, adjustment: int | None) -> None:
    step = step_for(STEPS, breach)

    assert (step and step["ScalingAdjustment"]) == adjustment


@pytest.mark.parametrize(
    ("kind", "by", "least", "wanted"),
    [
        ("ChangeInCapacity", -2, 0, 8),
        ("ExactCapacity", 4, 0, 4),
        ("PercentChangeInCapacity", 25, 0, 12),
        ("PercentChangeInCapacity", 5, 0, 11),
        ("PercentChangeInCapacity", -5, 0, 9),
        ("PercentChangeInCapacity", 10, 3, 13),
    ],
)
def test_a_step_adjusts_a_capacity_of_ten(kind: str, by: int, least: int, wanted: int) -> None:
    policy = {"AdjustmentType": kind, "MinAdjustmentMagnitude": least}

    assert stepped(10, policy, {"ScalingAdjustment": by}) == wanted


class Scaled:
    """A service of two tasks, scaled by a metric that a test sets."""

    def __init__(self, aws: Clients, ecs: Ecs) -> None:
        self.ecs, self.api = ecs, aws("application-autoscaling")
        self.cloudwatch = aws("cloudwatch")
        ecs.service(ecs.definition(), count=2)
        ecs.settle()
        self.api.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=6)

    def track(self, **more: Any) -> None:
        configuration = {"TargetValue": 5, "CustomizedMetricSpecification": BACKLOG, **more}
        self.api.put_scaling_policy(
            **TARGET,
            PolicyName="backlog",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=configuration,
        )

    def live(self, minutes: float, backlog: float) -> int:
        """Let minutes pass with this backlog; return the desired count."""
        for _ in range(int(minutes * 3)):
            datum = {"MetricName": "Backlog", "Value": backlog}
            self.cloudwatch.put_metric_data(Namespace="Documents", MetricData=[datum])
            self.ecs.clock.advance(20, every=5)
            self.ecs.start_all()
            self.ecs.stop_all()
        return self.desired

    @property
    def desired(self) -> int:
        return int(self.ecs.described()["desiredCount"])

    def activities(self) -> list[str]:
        found = self.api.describe_scaling_activities(ServiceNamespace="ecs")
        return [one["Description"] for one in found["ScalingActivities"]]


@pytest.fixture
def scaled(aws: Clients, clock: FakeClock) -> Scaled:
    return Scaled(aws, Ecs(aws, clock))


@pytest.mark.parametrize(("least", "most", "wanted"), [(3, 6, 3), (0, 1, 1), (0, 0, 0), (1, 6, 2)])
def test_a_target_that_is_registered_brings_the_capacity_into_its_range(
    scaled: Scaled, least: int, most: int, wanted: int
) -> None:
    scaled.api.register_scalable_target(**TARGET, MinCapacity=least, MaxCapacity=most)

    assert scaled.desired == wanted


def test_a_policy_has_an_alarm_above_and_one_below_its_target(scaled: Scaled) -> None:
    scaled.track()

    alarms = scaled.cloudwatch.describe_alarms()["MetricAlarms"]
    assert sorted(
        (a["ComparisonOperator"], a["Threshold"], a["EvaluationPeriods"]) for a in alarms
    ) == [
        ("GreaterThanThreshold", 5.0, 3),
        ("LessThanThreshold", 4.5, 15),
    ]
    assert {(a["Namespace"], a["MetricName"]) for a in alarms} == {("Documents", "Backlog")}


def test_a_policy_that_is_put_again_keeps_its_arn_and_two_alarms(scaled: Scaled) -> None:
    scaled.track()
    (before,) = scaled.api.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]

    scaled.track(TargetValue=8)

    (after,) = scaled.api.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    assert after["PolicyARN"] == before["PolicyARN"]
    alarms = scaled.cloudwatch.describe_alarms()["MetricAlarms"]
    assert sorted(alarm["Threshold"] for alarm in alarms) == [7.2, 8.0]


def test_a_deleted_policy_takes_its_alarms_along(scaled: Scaled) -> None:
    scaled.track()
    scaled.api.delete_scaling_policy(**TARGET, PolicyName="backlog")

    assert scaled.cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_a_service_grows_with_its_backlog_up_to_its_maximum(scaled: Scaled) -> None:
    scaled.track()

    assert scaled.live(1, backlog=10) == 2
    assert scaled.live(3, backlog=10) == 4
    assert "Setting desired count to 4." in scaled.activities()
    assert len(scaled.ecs.listed()) == 4
    assert scaled.live(3, backlog=50) == 6


def test_a_service_shrinks_after_fifteen_minutes(scaled: Scaled) -> None:
    scaled.track()

    assert scaled.live(13, backlog=0) == 2
    assert scaled.live(6, backlog=0) == 1


def test_scaling_in_can_be_disabled(scaled: Scaled) -> None:
    scaled.track(DisableScaleIn=True)

    assert scaled.live(25, backlog=0) == 2


def test_a_suspended_target_is_left_alone(scaled: Scaled) -> None:
    scaled.track()
    scaled.api.register_scalable_target(
        **TARGET, SuspendedState={"DynamicScalingOutSuspended": True}
    )

    assert scaled.live(6, backlog=10) == 2


def test_scaling_out_waits_for_its_cooldown_unless_more_is_needed(scaled: Scaled) -> None:
    scaled.track(ScaleOutCooldown=600)
    assert scaled.live(4, backlog=7) == 3
    at = scaled.ecs.clock.now()

    assert scaled.live(3, backlog=7) == 3  # three would be enough for what there was
    assert scaled.live(3, backlog=9) == 4
    assert scaled.ecs.clock.now() - at < 600


def test_a_step_policy_acts_on_an_alarm_of_its_own(scaled: Scaled) -> None:
    configuration = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": STEPS,
        "Cooldown": 120,
    }
    made = scaled.api.put_scaling_policy(
        **TARGET,
        PolicyName="step",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration=configuration,
    )
    scaled.cloudwatch.put_metric_alarm(
        AlarmName="backlog",
        **BACKLOG,
        Period=60,
        EvaluationPeriods=1,
        Threshold=10,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[made["PolicyARN"]],
    )

    assert scaled.live(1.5, backlog=12) == 3
    assert scaled.live(5, backlog=25) == 6


def test_scheduled_scaling_is_refused(scaled: Scaled) -> None:
    with pytest.raises(NotImplementedError):
        scaled.api.put_scheduled_action(
            **TARGET, ScheduledActionName="night", Schedule="rate(1 hour)"
        )
