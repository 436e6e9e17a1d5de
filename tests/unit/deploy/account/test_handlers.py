"""The deploy role may take every action that CloudFormation's handlers take for our templates.

The local cloud's resource types make fewer calls than AWS's. What a handler needs is in its type's
schema in CloudFormation's registry (docs.aws.amazon.com/cloudformation-cli/latest/userguide/
resource-type-schema.html, "handlers"), of which cfn-lint brings a copy. They name what any property
may need: ``UNUSED`` lists what no template of ours has.
"""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from deploy.account.desired_account import TEMPLATE
from localcloud.patches.cloudformation.template import parse

SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas" / "resources"
FOUNDATION = TEMPLATE.parents[1] / "foundation" / "template.yaml"
# What is generated has these besides.
GENERATED = {"AWS::Budgets::Budget", "AWS::EC2::PlacementGroup", "AWS::EC2::VPCEndpoint"}
DOCUMENTS = {
    *("AWS::ECS::Cluster", "AWS::ECS::ClusterCapacityProviderAssociations", "AWS::ECS::Service"),
    *("AWS::ECS::TaskDefinition", "AWS::ECR::Repository", "AWS::Lambda::EventInvokeConfig"),
    *("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "AWS::SecretsManager::Secret"),
    "AWS::SSM::Parameter",
    *("AWS::S3Vectors::VectorBucket", "AWS::S3Vectors::Index"),
    *("AWS::ServiceDiscovery::PrivateDnsNamespace", "AWS::ServiceDiscovery::Service"),
    *("AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"),
}
NOT_THE_DEPLOY_ROLES = (
    *("BakePolicy", "ChannelPolicy", "ScientistPolicy", "Boundary", "DrillPolicy"),
)
# What is not used: the actions, by their patterns.
UNUSED = {
    "other views of the bill than the account's own": ("billing:GetBillingViewData",),
    "scheduled scaling, and that of functions": (
        "*:*ScheduledAction",
        "*:*ProvisionedConcurrency*",
    ),
    "signing in by Cognito, capacity units, address pools": (
        *("cognito-idp:*", "*:ModifyCapacityReservation", "*:ModifyIpPools"),
    ),
    "fixed targets: the group registers its instances": (
        "*:RegisterTargets",
        "*:DeregisterTargets",
    ),
    "replicas, imports, streams and policies of tables": (
        *("dynamodb:*Replica", "dynamodb:*Import*", "dynamodb:*Kinesis*", "kinesis:*"),
        *("dynamodb:*ResourcePolicy", "dynamodb:BatchWriteItem", "*:UpdateContributorInsights"),
        "s3:GetObjectMetadata",
    ),
    "addresses of instances, several addresses of a NAT gateway": (
        *("ec2:AcceptAddressTransfer", "ec2:AssociateAddress", "ec2:*NatGatewayAddress"),
    ),
    "IPv6, VPN gateways, dedicated tenancy, encryption controls": (
        *("ec2:*SubnetCidrBlock", "ec2:*VpnGateway", "ec2:ModifyVpcTenancy"),
        "ec2:CreateVpcEncryptionControl",
    ),
    "service networks, endpoints of other regions": ("vpc-lattice:*", "vpce:*"),
    "policies of repositories, settings of the account": (
        *("ecr:DeleteRepositoryPolicy", "ecs:PutAccountSetting*"),
    ),
    "shards, replicas, snapshots and logs of a Redis": (
        *(
            "elasticache:*ReplicaCount",
            "elasticache:*ShardConfiguration",
            "elasticache:*CacheCluster",
        ),
        *("elasticache:CreateSnapshot", "firehose:*", "logs:*LogDelivery", "logs:*LogDeliveries"),
        *("logs:CreateLogStream", "logs:PutLogEvents"),
    ),
    "policies of groups and users, and roles without their boundary": (
        *("iam:*GroupPolicy", "iam:*UserPolicy", "iam:DeleteRolePermissionsBoundary"),
    ),
    "customer keys of what is no volume": ("kms:*", "logs:*KmsKey"),
    "signing, layers, versions, recursion, runtimes and file systems of functions": (
        *("lambda:*CodeSigningConfig", "lambda:GetLayerVersion", "lambda:PublishVersion"),
        *("lambda:PutFunction*Config", "lambda:PutRuntimeManagementConfig", "s3files:*"),
        *("lambda:AssociateRuntimeAlias", "lambda:PassCapacityProvider"),
    ),
    "indexes, policies, protection and tokens of log groups": (
        *("logs:*IndexPolicy", "logs:*ResourcePolicy", "logs:PutDataProtectionPolicy"),
        *("logs:PutLogGroupDeletionProtection", "logs:PutBearerTokenAuthentication", "s3:REST.*"),
    ),
    "query logs and features of zones": (
        "route53:*QueryLoggingConfig",
        "*:UpdateHostedZoneFeatures",
    ),
    "what our buckets do not have": (
        *("s3:PutBucketAcl", "s3:PutObjectAcl", "s3:*Cors", "s3:*CORS", "s3:*BucketWebsite"),
        *("s3:PutBucketLogging", "s3:PutBucketAbac", "s3:*Replication*", "s3:*ObjectLock*"),
        *("s3:*Analytics*", "s3:*Inventory*", "s3:*Metrics*", "s3:*IntelligentTiering*"),
        *("s3:*Metadata*", "s3:PutAccelerateConfiguration", "s3tables:*"),
        *("s3:DeleteBucketEncryption", "s3:DeleteBucketLifecycle"),
    ),
    "secrets in several regions, attributes of services, data protection of topics": (
        *("secretsmanager:*Replicat*", "servicediscovery:*ServiceAttributes"),
        "sns:PutDataProtectionPolicy",
    ),
}


@cache
def handlers() -> dict[str, dict[str, Any]]:
    """Return the handlers of each resource type."""
    schemas = (json.loads(path.read_text()) for path in SCHEMAS.glob("*.json"))
    return {one["typeName"]: one["handlers"] for one in schemas if "handlers" in one}


def used_types() -> set[str]:
    return set(re.findall(r"Type: (AWS::\w+::\w+)", FOUNDATION.read_text())) | GENERATED | DOCUMENTS


@cache
def granted() -> list[str]:
    """Return the patterns of the actions that the deploy role is allowed."""
    resources = parse(TEMPLATE.read_text())["Resources"]
    found: list[str] = []
    for name, resource in resources.items():
        if resource["Type"] == "AWS::IAM::ManagedPolicy" and name not in NOT_THE_DEPLOY_ROLES:
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Allow":
                    given = statement["Action"]
                    found += given if isinstance(given, list) else [given]
    return found


def missing(kind: str, verbs: tuple[str, ...], allowed: list[str]) -> Iterator[str]:
    for verb in verbs:
        for action in handlers()[kind].get(verb, {}).get("permissions", []):
            if not any(fnmatchcase(action, pattern) for pattern in allowed):
                yield f"{kind} {verb}: {action}"


@pytest.mark.parametrize("kind", sorted(used_types()))
def test_the_handlers_of_a_type_may_do_their_work(kind: str) -> None:
    unused = [pattern for patterns in UNUSED.values() for pattern in patterns]

    verbs = ("create", "read", "update", "delete")
    assert list(missing(kind, verbs, granted() + unused)) == []


def test_nothing_is_called_unused_that_is_granted_or_that_no_handler_takes() -> None:
    taken = {
        action
        for kind in used_types()
        for verb in handlers()[kind].values()
        for action in verb.get("permissions", [])
    }
    allowed = granted()
    left = {a for a in taken if not any(fnmatchcase(a, pattern) for pattern in allowed)}
    idle = {
        pattern
        for patterns in UNUSED.values()
        for pattern in patterns
        if not any(fnmatchcase(action, pattern) for action in left)
    }
    assert idle == set()
