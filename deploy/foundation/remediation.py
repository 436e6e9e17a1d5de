"""A Lambda function: an alarm rings and nobody leads, so have the head to blame replaced.

CloudWatch invokes it when an alarm begins to ring, and Lambda may do so twice:
docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
When it acts and when not: docs/adr/0010-remediation.md. It stands alone: the template holds it.
"""

import os
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# Seconds without a beat after which nobody leads, and a deployer is dead; guards wait for 10 and
# deployers for 30 (docs/adr/0001-head-lease.md, deploy/rollout/lock.py).
LEASE_STILL, LOCK_STILL = 12, 35
# Seconds between two acts; acts within a day; acts that the record holds.
APART, DAILY, KEPT = 15 * 60, 3, 10
DAY = 24 * 3600
CONFIG = Config(connect_timeout=3, read_timeout=5)
WELL = ("InService", "Healthy")
# Without these processes the group would not replace what is unhealthy.
NEEDED = {"ReplaceUnhealthy", "Terminate", "Launch"}


class LeftAlone(Exception):
    """Nothing shall be done, and why."""


def handler(event: dict[str, Any], context: object) -> str:
    """Answer an alarm; say in the record, on the topic and in the log what was done."""
    cluster, alarm = Cluster(), event["alarmData"]["alarmName"]
    try:
        words = cluster.remedy(alarm, f"{alarm} {event['time']}")
    except LeftAlone as why:
        words = f"left alone: {why}"
        cluster.write(noted={"at": int(time.time()), "alarm": alarm, "words": words})
    print(words)
    cluster.publish(alarm, words)
    return words


class Cluster:
    """One environment: its lease table and its head group."""

    def __init__(self) -> None:
        self.name, self.group = os.environ["ENVIRONMENT"], os.environ["HEAD_GROUP"]
        self.table = boto3.resource("dynamodb", config=CONFIG).Table(os.environ["LEASE_TABLE"])
        self.scaling = boto3.client("autoscaling", config=CONFIG)

    def remedy(self, alarm: str, event: str) -> str:
        """Have one head replaced, and say so; raises LeftAlone."""
        if self.moves("#deploy", LOCK_STILL):
            raise LeftAlone("a deployer is at work")
        if self.moves("", LEASE_STILL):
            raise LeftAlone("the head lease is being renewed: somebody leads")
        holder = self.read("").get("holder", "")
        head = self.to_blame(holder)
        words = f"{head} is replaced: nobody leads, and the lease was last {holder or 'nobody'}'s"
        self.record(alarm, event, head, words)
        self.scaling.set_instance_health(
            InstanceId=head, HealthStatus="Unhealthy", ShouldRespectGracePeriod=True
        )
        return words

    def moves(self, suffix: str, seconds: int) -> bool:
        """Say whether whoever holds that item shows life within so many seconds."""
        first = self.read(suffix)
        for _ in range(seconds if first else 0):
            time.sleep(1)
            now = self.read(suffix)
            if any(now.get(name) != first.get(name) for name in ("token", "epoch", "beat")):
                return True
        return False

    def to_blame(self, holder: str) -> str:
        """Return the last leader, or else a head that did not take over; raises LeftAlone."""
        found = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.group])
        for group in found["AutoScalingGroups"]:
            stopped = NEEDED & {one["ProcessName"] for one in group["SuspendedProcesses"]}
            if stopped:
                raise LeftAlone(f"{', '.join(sorted(stopped))} of the head group is suspended")
            members = {one["InstanceId"]: one for one in group["Instances"]}
            states = {(one["LifecycleState"], one["HealthStatus"]) for one in members.values()}
            if len(members) < group["DesiredCapacity"] or states - {WELL}:
                raise LeftAlone("the head group is at work")
            if members:
                return holder if holder in members else min(members)
        raise LeftAlone("there is no head")

    def record(self, alarm: str, event: str, head: str, words: str) -> None:
        """Write down what is about to be done, unless that is too much; raises LeftAlone.

        Of two runs the condition lets one through. A run that ends between this and the act is
        made good by the next delivery of the same event: the same head again, never another.
        """
        found, now = self.read("#remediation"), int(time.time())
        acts = found.get("acts", [])
        if same := [act["head"] for act in acts if act["event"] == event]:
            if same == [head]:
                return
            raise LeftAlone(f"for this alarm {same[0]} was replaced")
        ages = [now - act["at"] for act in acts if now - act["at"] < DAY]
        if len(ages) >= DAILY:
            raise LeftAlone(f"{len(ages)} heads were replaced within a day")
        if ages and min(ages) < APART:
            raise LeftAlone(f"a head was replaced {min(ages)} s ago")
        act = {"at": now, "event": event, "alarm": alarm, "head": head, "words": words}
        number = found.get("acted", 0) + 1
        try:
            self.write("acted < :acted", acted=number, acts=[*acts, act][-KEPT:], noted=act)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            self.record(alarm, event, head, words)  # look again: another run was first

    def read(self, suffix: str) -> dict[str, Any]:
        """Return an item of this environment, read consistently; empty when it is not there."""
        found = self.table.get_item(Key={"cluster": self.name + suffix}, ConsistentRead=True)
        return dict(found.get("Item", {}))

    def write(self, condition: str = "", **values: Any) -> None:
        """Set attributes of the record, if the condition holds or there is none yet."""
        more = {"ConditionExpression": f"attribute_not_exists(acted) OR {condition}"}
        self.table.update_item(
            Key={"cluster": f"{self.name}#remediation"},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
            **(more if condition else {}),
        )

    def publish(self, alarm: str, words: str) -> None:
        """Tell whoever hears of alarms."""
        boto3.client("sns", config=CONFIG).publish(
            TopicArn=os.environ["TOPIC"],
            Subject=f"Remediation of {self.name}",
            Message=f"{alarm}: {words}",
        )
