"""AWS::CloudWatch, AWS::Logs and AWS::SNS types.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_CloudWatch.html, AWS_Logs.html
and AWS_SNS.html.
"""

import json
from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call


@register
class Alarm(ResourceType):
    type_name = "AWS::CloudWatch::Alarm"
    replacing = frozenset({"AlarmName"})
    properties = replacing | {
        "ActionsEnabled",
        "AlarmActions",
        "AlarmDescription",
        "ComparisonOperator",
        "DatapointsToAlarm",
        "Dimensions",
        "EvaluationPeriods",
        "ExtendedStatistic",
        "InsufficientDataActions",
        "MetricName",
        "Metrics",
        "Namespace",
        "OKActions",
        "Period",
        "Statistic",
        "Tags",
        "Threshold",
        "TreatMissingData",
        "Unit",
    }
    required = frozenset({"ComparisonOperator", "EvaluationPeriods"})

    def create(self, place: Place, properties: Tree) -> str:
        name = str(properties.get("AlarmName") or place.name())
        self._put(name, properties)
        return name

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old:
            self._put(physical_id, new)
        if tags := place.tags(new):
            arn = self.attribute(physical_id, "Arn")
            call("cloudwatch", "tag_resource", ResourceARN=arn, Tags=tags)

    def _put(self, name: str, properties: Tree) -> None:
        given = {k: v for k, v in properties.items() if k not in ("AlarmName", "Tags")}
        call("cloudwatch", "put_metric_alarm", AlarmName=name, **given)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("cloudwatch", "delete_alarms", AlarmNames=[physical_id])

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "Arn":
            found = call("cloudwatch", "describe_alarms", AlarmNames=[physical_id])
            return found["MetricAlarms"][0]["AlarmArn"]
        return super().attribute(physical_id, name)


@register
class Dashboard(ResourceType):
    type_name = "AWS::CloudWatch::Dashboard"
    replacing = frozenset({"DashboardName"})
    properties = frozenset({"DashboardName", "DashboardBody"})
    required = frozenset({"DashboardBody"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        name = str(properties.get("DashboardName") or place.name())
        self.configure(place, name, {}, properties)
        return name

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        body = new["DashboardBody"]
        call("cloudwatch", "put_dashboard", DashboardName=physical_id, DashboardBody=body)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("cloudwatch", "delete_dashboards", DashboardNames=[physical_id])


@register
class LogGroup(ResourceType):
    type_name = "AWS::Logs::LogGroup"
    replacing = frozenset({"LogGroupName"})
    properties = replacing | {"RetentionInDays", "Tags"}

    def create(self, place: Place, properties: Tree) -> str:
        name = str(properties.get("LogGroupName") or place.name())
        call("logs", "create_log_group", logGroupName=name)
        return name

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        group = {"logGroupName": physical_id}
        if "RetentionInDays" in new:
            days = new["RetentionInDays"]
            call("logs", "put_retention_policy", **group, retentionInDays=days)
        elif "RetentionInDays" in old:
            call("logs", "delete_retention_policy", **group)
        if tags := place.tags(new):
            pairs = {tag["Key"]: tag["Value"] for tag in tags}
            arn = f"arn:aws:logs:{place.region}:{place.account}:log-group:{physical_id}"
            call("logs", "tag_resource", resourceArn=arn, tags=pairs)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("logs", "delete_log_group", logGroupName=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "Arn":
            found = call("logs", "describe_log_groups", logGroupNamePrefix=physical_id)
            groups = {group["logGroupName"]: group["arn"] for group in found["logGroups"]}
            return groups[physical_id]
        return super().attribute(physical_id, name)


@register
class Topic(ResourceType):
    type_name = "AWS::SNS::Topic"
    replacing = frozenset({"TopicName"})
    properties = replacing | {"DisplayName", "KmsMasterKeyId", "Subscription", "Tags"}

    def create(self, place: Place, properties: Tree) -> str:
        name = properties.get("TopicName") or place.name()
        return str(call("sns", "create_topic", Name=name)["TopicArn"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        for name in ("DisplayName", "KmsMasterKeyId"):
            if new.get(name) != old.get(name):
                value = {"AttributeName": name, "AttributeValue": new.get(name, "")}
                call("sns", "set_topic_attributes", TopicArn=physical_id, **value)
        for one in new.get("Subscription", []):
            if one not in old.get("Subscription", []):
                call("sns", "subscribe", TopicArn=physical_id, **one)
        if tags := place.tags(new):
            call("sns", "tag_resource", ResourceArn=physical_id, Tags=tags)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("sns", "delete_topic", TopicArn=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        known = {"TopicArn": physical_id, "TopicName": physical_id.split(":")[-1]}
        return known.get(name) or super().attribute(physical_id, name)


@register
class Subscription(ResourceType):
    type_name = "AWS::SNS::Subscription"
    replacing = frozenset({"Endpoint", "Protocol", "TopicArn"})
    settable = frozenset({"FilterPolicy", "RawMessageDelivery"})
    properties = replacing | settable
    required = frozenset({"Protocol", "TopicArn"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        made = call(
            "sns", "subscribe", **chosen(properties, *self.replacing), ReturnSubscriptionArn=True
        )
        return str(made["SubscriptionArn"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        for name in sorted(self.settable):
            if name in new and new[name] != old.get(name):
                value = json.dumps(new[name])
                call(
                    "sns",
                    "set_subscription_attributes",
                    SubscriptionArn=physical_id,
                    AttributeName=name,
                    AttributeValue=value,
                )

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("sns", "unsubscribe", SubscriptionArn=physical_id)


@register
class TopicPolicy(ResourceType):
    type_name = "AWS::SNS::TopicPolicy"
    properties = frozenset({"PolicyDocument", "Topics"})
    required = properties
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        return place.name()

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        policy = json.dumps(new["PolicyDocument"])
        self._set(new["Topics"], policy)
        self._set([t for t in old.get("Topics", []) if t not in new["Topics"]], "")

    def delete(self, physical_id: str, properties: Tree) -> None:
        self._set(properties["Topics"], "")

    def _set(self, topics: list[str], policy: str) -> None:
        for arn in topics:
            call(
                "sns",
                "set_topic_attributes",
                TopicArn=arn,
                AttributeName="Policy",
                AttributeValue=policy or _default_policy(arn),
            )


def _default_policy(arn: str) -> str:
    """Return the policy a topic has when none was given: its owner may do everything with it."""
    owner = {"AWS:SourceOwner": arn.split(":")[4]}
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["SNS:Publish", "SNS:Subscribe", "SNS:GetTopicAttributes"],
        "Resource": arn,
        "Condition": {"StringEquals": owner},
    }
    document = {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}
    return json.dumps(document)
