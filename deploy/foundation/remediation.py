"""A Lambda function: when an alarm goes to ALARM and there is no leader, have a head replaced; when
there is a leader and no standby, the head that should be one.

CloudWatch invokes it when an alarm goes to ALARM, and Lambda may do so twice:
docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
When it acts and when not: docs/adr/0010-remediation.md. It imports nothing of ours: it is inlined
in the template.
"""

import os
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# Seconds without a renewal after which there is no leader, and a deployer is dead; guards wait for
# 10 and deployers for 30 (docs/adr/0001-head-lease.md, deploy/rollout/lock.py).
LEASE_STILL, LOCK_STILL = 12, 35
# Seconds between two replacements; replacements within a day; replacements kept in the record.
MIN_INTERVAL, MAX_PER_DAY, MAX_RECORDED = 15 * 60, 3, 10
DAY = 24 * 3600
CONFIG = Config(connect_timeout=3, read_timeout=5)
HEALTHY = ("InService", "Healthy")
# The alarm for which a head is replaced although another one leads.
NO_STANDBY = "-no-standby"
# Without these processes the group would not replace an unhealthy instance.
REQUIRED_PROCESSES = {"ReplaceUnhealthy", "Terminate", "Launch"}


class NoAction(Exception):
    """No head is to be replaced, and why."""


def handler(event: dict[str, Any], context: object) -> str:
    """Handle an alarm; write what was done to the record, the topic and the log."""
    cluster, alarm = Cluster(), event["alarmData"]["alarmName"]
    try:
        words = cluster.remedy(alarm, f"{alarm} {event['time']}")
    except NoAction as reason:
        words = f"no action: {reason}"
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
        """Have one head replaced, and return what was done; raises NoAction."""
        if self.is_renewed("#deploy", LOCK_STILL):
            raise NoAction("a deploy is in progress")
        if not self.is_renewed("", LEASE_STILL):
            head, words = self.head_that_led()
        elif alarm.endswith(NO_STANDBY):
            head, words = self.head_beside_the_leader()
        else:
            raise NoAction("the head lease is being renewed: there is a leader")
        self.record(alarm, event, head, words)
        self.scaling.set_instance_health(
            InstanceId=head, HealthStatus="Unhealthy", ShouldRespectGracePeriod=True
        )
        return words

    def is_renewed(self, suffix: str, seconds: int) -> bool:
        """Say whether the holder of that item renews it within so many seconds."""
        first = self.read(suffix)
        for _ in range(seconds if first else 0):
            time.sleep(1)
            now = self.read(suffix)
            if any(now.get(name) != first.get(name) for name in ("token", "epoch", "beat")):
                return True
        return False

    def head_that_led(self) -> tuple[str, str]:
        """Return the last leader, or a head that did not take over, and why; raises NoAction."""
        members, holder = self.members(), self.read("").get("holder", "")
        head = holder if holder in members else min(members)
        return head, f"{head} is replaced: no leader; last holder of the lease: {holder or 'none'}"

    def head_beside_the_leader(self) -> tuple[str, str]:
        """Return a head that does not lead, and why; raises NoAction.

        The lease is read last. It was renewed a moment ago, so no other head can take it for
        seconds, unless it is released.
        """
        members, lease = self.members(), self.read("")
        others = members - {lease["holder"]}
        if lease["released"]:
            raise NoAction("the head lease is changing hands")
        if not others:
            raise NoAction("there is no head beside the leader")
        head = min(others)
        return head, f"{head} is replaced: it does not stand by; leader: {lease['holder']}"

    def members(self) -> set[str]:
        """Return the heads, all of them in service; raises NoAction."""
        found = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.group])
        for group in found["AutoScalingGroups"]:
            stopped = REQUIRED_PROCESSES & {
                one["ProcessName"] for one in group["SuspendedProcesses"]
            }
            if stopped:
                raise NoAction(f"{', '.join(sorted(stopped))} of the head group is suspended")
            members = {one["InstanceId"] for one in group["Instances"]}
            states = {(one["LifecycleState"], one["HealthStatus"]) for one in group["Instances"]}
            if len(members) < group["DesiredCapacity"] or states - {HEALTHY}:
                raise NoAction("the head group is changing")
            if members:
                return members
        raise NoAction("there is no head")

    def record(self, alarm: str, event: str, head: str, words: str) -> None:
        """Record the replacement before it is done; raises NoAction when there were too many.

        The condition lets one of two concurrent runs through. When a run is killed after this, the
        next delivery of the same event completes it: the same head again, never another.
        """
        found, now = self.read("#remediation"), int(time.time())
        acts = found.get("acts", [])
        if same := [act["head"] for act in acts if act["event"] == event]:
            if same == [head]:
                return
            raise NoAction(f"{same[0]} was replaced for this alarm")
        ages = [now - act["at"] for act in acts if now - act["at"] < DAY]
        if len(ages) >= MAX_PER_DAY:
            raise NoAction(f"{len(ages)} heads were replaced within a day")
        if ages and min(ages) < MIN_INTERVAL:
            raise NoAction(f"a head was replaced {min(ages)} s ago")
        act = {"at": now, "event": event, "alarm": alarm, "head": head, "words": words}
        number = found.get("acted", 0) + 1
        try:
            self.write("acted < :acted", acted=number, acts=[*acts, act][-MAX_RECORDED:], noted=act)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            self.record(alarm, event, head, words)  # read again: another run was first

    def read(self, suffix: str) -> dict[str, Any]:
        """Return an item of this environment, read consistently; empty when it does not exist."""
        found = self.table.get_item(Key={"cluster": self.name + suffix}, ConsistentRead=True)
        return dict(found.get("Item", {}))

    def write(self, condition: str = "", **values: Any) -> None:
        """Set attributes of the record, if the condition holds or there is no record yet."""
        more = {"ConditionExpression": f"attribute_not_exists(acted) OR {condition}"}
        self.table.update_item(
            Key={"cluster": f"{self.name}#remediation"},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
            **(more if condition else {}),
        )

    def publish(self, alarm: str, words: str) -> None:
        """Notify the subscribers of alarms."""
        boto3.client("sns", config=CONFIG).publish(
            TopicArn=os.environ["TOPIC"],
            Subject=f"Remediation of {self.name}",
            Message=f"{alarm}: {words}",
        )
