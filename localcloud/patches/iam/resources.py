"""Name the resources of a request to services other than EC2, S3 and DynamoDB, with condition keys.

Follows the Service Authorization Reference (docs.aws.amazon.com/service-authorization/latest/
reference/): one small entry for each service whose actions the project's policies scope. An action
without an entry is checked on "*", like actions that take no resource.
"""

from collections.abc import Callable
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends
from moto.kms.models import kms_backends
from moto.ssm.models import ssm_backends

from localcloud.patches.autoscaling import records
from localcloud.patches.iam import resources_ecs, resources_iam, resources_stack
from localcloud.patches.iam.resources_ec2 import Namer, pass_roles
from localcloud.patches.iam.resources_launch import Tree, request_tags
from localcloud.patches.ssm.sessions import sessions_of
from localcloud.patches.ssm.targets import task_in

Named = tuple[str, dict[str, Any]]  # ARN, condition keys
Where = tuple[str, str]  # account, region


def named_by(where: Where, service: str, action: str, parameters: Tree) -> list[Named]:
    """Return what one request touches; none means that the action takes no resource."""
    return _SERVICES[service](where, action, parameters) if service in _SERVICES else []


def passed_by(
    where: Where, service: str, action: str, parameters: Tree
) -> list[tuple[str, str, Any]]:
    """Return the PassRole checks that a request brings with it."""
    if service == "autoscaling" and "LaunchTemplate" in parameters:
        namer = Namer(*where)
        data, _ = namer._template_data(parameters["LaunchTemplate"] or {})
        return list(pass_roles(where[0], dict(data.get("IamInstanceProfile") or {})))
    if service == "ecs":
        return list(resources_ecs.passed(action, parameters))
    if service == "iam" and action == "AddRoleToInstanceProfile":
        return [
            ("iam:PassRole", arn, {})
            for arn, _ in resources_iam.named(
                where, "GetRole", {"RoleName": parameters["RoleName"]}
            )
        ]
    if service == "lambda" and parameters.get("Role"):
        return [
            ("iam:PassRole", parameters["Role"], {"iam:PassedToService": "lambda.amazonaws.com"})
        ]
    if service == "ec2" and action in ("AssociateIamInstanceProfile",):
        return list(pass_roles(where[0], dict(parameters.get("IamInstanceProfile") or {})))
    return []


def _arn(service: str, where: Where, rest: str) -> str:
    return f"arn:aws:{service}:{where[1]}:{where[0]}:{rest}"


def _ssm(where: Where, action: str, parameters: Tree) -> list[Named]:
    if action == "SendCommand":
        return _commanded(where, parameters)
    if action == "StartSession":
        return _session(where, parameters)
    if action in ("TerminateSession", "ResumeSession"):
        session_id = str(parameters.get("SessionId"))
        held = sessions_of(ssm_backends[where[0]][where[1]]).get(session_id)
        tags = {
            f"ssm:resourceTag/{key}": value for key, value in (held.tags if held else {}).items()
        }
        return [(_arn("ssm", where, f"session/{session_id}"), tags)]
    if action == "AddTagsToResource" and parameters.get("ResourceType") == "Parameter":
        parameters = {"Name": parameters["ResourceId"]} | parameters
    names = parameters.get("Names") or [parameters.get("Name") or parameters.get("Path")]
    if ("Parameter" in action or action == "AddTagsToResource") and names != [None]:
        bare = [name.strip("/").split(":")[0] for name in names]
        tags = request_tags(parameters.get("Tags") or [])
        return [(_arn("ssm", where, f"parameter/{name}"), tags) for name in bare]
    return []


def _session(where: Where, parameters: Tree) -> list[Named]:
    """Without a document a session is a shell, whose document is the account's own:
    https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-sessiondocumentaccesscheck.html
    A session with a container is one with its task:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
    """
    namer, target = Namer(*where), str(parameters.get("Target"))
    tags = namer.tags(target)
    tags |= {k.replace("ec2:", "ssm:").replace(":Res", ":res"): v for k, v in tags.items()}
    name = str(parameters.get("DocumentName") or "SSM-SessionManagerRunShell")
    account = "" if name.startswith("AWS-") else where[0]
    document = f"arn:aws:ssm:{where[1]}:{account}:document/{name}"
    keys = {"ssm:SessionDocumentAccessCheck": "true"}
    if task_id := task_in(target):
        cluster = target.removeprefix("ecs:").partition(f"_{task_id}")[0]
        return [(_arn("ecs", where, f"task/{cluster}/{task_id}"), keys), (document, keys)]
    return [(namer.arn("instance", target), {**tags, **keys}), (document, keys)]


def _commanded(where: Where, parameters: Tree) -> list[Named]:
    document = f"arn:aws:ssm:{where[1]}::document/{parameters.get('DocumentName')}"
    backend = ec2_backends[where[0]][where[1]]
    ids = set(parameters.get("InstanceIds") or [])
    for target in parameters.get("Targets") or []:
        key = target["Key"].removeprefix("tag:")
        ids |= {
            one.id
            for one in backend.all_instances()
            if (key == "InstanceIds" and one.id in target["Values"])
            or backend.tags.get(one.id, {}).get(key) in target["Values"]
        }
    namer = Namer(*where)
    found: list[Named] = [(document, {})]
    for one in sorted(ids) or ["*"]:
        tags = namer.tags(one)
        tags |= {k.replace("ec2:", "ssm:").replace(":Res", ":res"): v for k, v in tags.items()}
        found.append((namer.arn("instance", one), tags))
    return found


def _autoscaling(where: Where, action: str, parameters: Tree) -> list[Named]:
    if action.startswith("Describe"):
        return []
    groups = autoscaling_backends[where[0]][where[1]].autoscaling_groups
    tags = parameters.get("Tags") or []
    # CreateOrUpdateTags and DeleteTags name the group in each tag (autoscaling API_Tag).
    tagged = next((str(tag["ResourceId"]) for tag in tags if tag.get("ResourceId")), None)
    name = (
        parameters.get("AutoScalingGroupName") or tagged or _group_of(parameters.get("InstanceId"))
    )
    keys = request_tags(tags)
    if name in groups:
        group = groups[name]
        keys |= {f"aws:ResourceTag/{t['Key']}": t.get("Value") or "" for t in group.tags or []}
        return [(group.arn, keys)]
    return [(_arn("autoscaling", where, f"autoScalingGroup:*:autoScalingGroupName/{name}"), keys)]


def _group_of(instance_id: str | None) -> str | None:
    member = records.member_of(instance_id) if instance_id else None
    return member.auto_scaling_group_name if member else None


def _cloudwatch(where: Where, action: str, parameters: Tree) -> list[Named]:
    if action == "PutMetricData":
        return [("*", {"cloudwatch:namespace": parameters.get("Namespace") or ""})]
    names = parameters.get("AlarmNames") or [parameters.get("AlarmName")]
    if "Alarm" in action and not action.startswith("Describe") and names != [None]:
        return [(_arn("cloudwatch", where, f"alarm:{name}"), {}) for name in names]
    boards = parameters.get("DashboardNames") or [parameters.get("DashboardName")]
    if boards != [None]:
        return [(f"arn:aws:cloudwatch::{where[0]}:dashboard/{name}", {}) for name in boards]
    return [(parameters["ResourceARN"], {})] if parameters.get("ResourceARN") else []


def _sns(where: Where, action: str, parameters: Tree) -> list[Named]:
    if arn := parameters.get("SubscriptionArn"):
        return [(arn.rpartition(":")[0], {})]
    arn = parameters.get("TopicArn") or parameters.get("TargetArn") or parameters.get("ResourceArn")
    if action == "CreateTopic":
        arn = _arn("sns", where, parameters["Name"])
    return [(arn, {})] if arn else []


def _logs(where: Where, action: str, parameters: Tree) -> list[Named]:
    group, stream = parameters.get("logGroupName"), parameters.get("logStreamName") or ""
    if arn := parameters.get("resourceArn"):
        return [(str(arn), {})]
    if group is None:
        return []
    on_stream = action in ("PutLogEvents", "GetLogEvents", "DeleteLogStream")
    rest = f"log-group:{group}:log-stream:{stream if on_stream else ''}"
    return [(_arn("logs", where, rest), {})]


def _keys(where: Where, action: str, parameters: Tree) -> list[Named]:
    """DescribeKey takes a key too, unlike what describes in other services.

    An alias stands for its key, whose ARN policies name:
    https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    """
    given = str(parameters.get("KeyId") or "")
    backend = kms_backends[where[0]][where[1]]
    name = given.rpartition(":")[2]
    if name.startswith("alias/"):
        given = backend.get_key_id_from_alias(name) or ""
    if not given:
        return []
    arn = given if given.startswith("arn:") else _arn("kms", where, f"key/{given}")
    tags = backend.tagger.get_tag_dict_for_resource(arn.rpartition("/")[2])
    keys = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    # https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
    if action == "CreateGrant":
        keys["kms:GranteePrincipal"] = parameters.get("GranteePrincipal")
        keys["kms:GrantOperations"] = tuple(parameters.get("Operations") or ())
    return [(arn, keys)]


def _file_systems(where: Where, action: str, parameters: Tree) -> list[Named]:
    """As for keys: DescribeMountTargets takes a file system."""
    found = parameters.get("FileSystemId")
    return [(_arn("elasticfilesystem", where, f"file-system/{found}"), {})] if found else []


def _by_parameter(*entries: tuple[str, str]) -> Callable[[Where, str, Tree], list[Named]]:
    """Return a reader of resources that a parameter names, as an ARN or a part of one."""

    def read(where: Where, action: str, parameters: Tree) -> list[Named]:
        for parameter, template in entries:
            given = parameters.get(parameter)
            if given:
                values = given if isinstance(given, list) else [given]
                place = {"account": where[0], "region": where[1]}
                return [
                    (v if v.startswith("arn:") else template.format(v.split("/")[-1], **place), {})
                    for v in values
                ]
        return []

    return read


_SERVICES: dict[str, Callable[[Where, str, Tree], list[Named]]] = {
    "autoscaling": _autoscaling,
    "cloudwatch": _cloudwatch,
    "iam": resources_iam.named,
    "logs": _logs,
    "sns": _sns,
    "ssm": _ssm,
    "application-autoscaling": resources_stack.scaling,
    "cloudformation": resources_stack.stacks,
    "ecr": _by_parameter(
        ("repositoryName", "arn:aws:ecr:{region}:{account}:repository/{}"),
        ("repositoryNames", "arn:aws:ecr:{region}:{account}:repository/{}"),
        ("resourceArn", "{}"),
    ),
    "ecs": resources_ecs.named,
    "elasticache": resources_stack.caches,
    "elasticloadbalancing": resources_stack.balancers,
    "elasticfilesystem": _file_systems,
    "kms": _keys,
    "lambda": _by_parameter(
        ("FunctionName", "arn:aws:lambda:{region}:{account}:function:{}"), ("Resource", "{}")
    ),
    "route53": resources_stack.zones,
    "secretsmanager": resources_stack.secrets,
    "s3vectors": resources_ecs.vectors,
    "servicediscovery": resources_stack.names,
    "sqs": resources_stack.queues,
    "sts": resources_iam.assumed,
}
