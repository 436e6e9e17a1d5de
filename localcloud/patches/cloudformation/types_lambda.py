"""AWS::Lambda types.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Lambda.html. Code that is part of
the template becomes the file index.py.
"""

import io
import zipfile
from typing import Any

from localcloud.patches import iam
from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Failed, Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call

SERVICE = "lambda.amazonaws.com"
BEGINNING = (1980, 1, 1, 0, 0, 0)  # the same code makes the same zip


@register
class Function(ResourceType):
    type_name = "AWS::Lambda::Function"
    replacing = frozenset({"FunctionName"})
    settable = frozenset(
        {
            "DeadLetterConfig",
            "Description",
            "Environment",
            "Handler",
            "MemorySize",
            "Role",
            "Runtime",
            "Timeout",
        }
    )
    properties = replacing | settable | {"Architectures", "Code"}
    properties |= {"ReservedConcurrentExecutions", "Tags"}
    required = frozenset({"Code", "Role"})
    attributes = frozenset({"Arn"})

    def create(self, place: Place, properties: Tree) -> str:
        _check_role(properties["Role"])
        made = call(
            "lambda",
            "create_function",
            FunctionName=properties.get("FunctionName") or place.name(64),
            Code=_code(properties["Code"]),
            **chosen(properties, "Architectures"),
            **chosen(properties, *self.settable),
        )
        return str(made["FunctionName"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        function = {"FunctionName": physical_id}
        if old and old["Code"] != new["Code"]:
            call("lambda", "update_function_code", **function, **_code(new["Code"]))
        if old:
            _check_role(new["Role"])
            kept = chosen(new, *self.settable)
            call("lambda", "update_function_configuration", **function, **kept)
        reserved = new.get("ReservedConcurrentExecutions")
        if reserved is not None:
            given = {"ReservedConcurrentExecutions": reserved}
            call("lambda", "put_function_concurrency", **function, **given)
        elif "ReservedConcurrentExecutions" in old:
            call("lambda", "delete_function_concurrency", **function)
        if tags := place.tags(new):
            pairs = {tag["Key"]: tag["Value"] for tag in tags}
            call("lambda", "tag_resource", Resource=self.attribute(physical_id, "Arn"), Tags=pairs)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("lambda", "delete_function", FunctionName=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "Arn":
            found = call("lambda", "get_function", FunctionName=physical_id)
            return found["Configuration"]["FunctionArn"]
        return super().attribute(physical_id, name)


def _code(code: Tree) -> Tree:
    if set(code) == {"ZipFile"}:
        return {"ZipFile": _archive(code)}
    if {"S3Bucket", "S3Key"} <= set(code) <= {"S3Bucket", "S3Key", "S3ObjectVersion"}:
        return dict(code)
    raise Failed("the local cloud takes a function's code from the template (ZipFile) or from S3")


def _archive(code: Tree) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.py", BEGINNING), code["ZipFile"])
    return buffer.getvalue()


def _check_role(arn: str) -> None:
    if not iam.may_assume(SERVICE, arn):
        raise Failed("The role defined for the function cannot be assumed by Lambda.")


@register
class Permission(ResourceType):
    type_name = "AWS::Lambda::Permission"
    replacing = frozenset({"Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"})
    properties = replacing
    required = frozenset({"Action", "FunctionName", "Principal"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        name = place.name(100)
        call("lambda", "add_permission", StatementId=name, **chosen(properties, *self.properties))
        return name

    def delete(self, physical_id: str, properties: Tree) -> None:
        function = properties["FunctionName"]
        call("lambda", "remove_permission", FunctionName=function, StatementId=physical_id)


@register
class EventInvokeConfig(ResourceType):
    type_name = "AWS::Lambda::EventInvokeConfig"
    replacing = frozenset({"FunctionName", "Qualifier"})
    settable = frozenset({"DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts"})
    properties = replacing | settable
    required = replacing
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        return place.name()

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        given = chosen(new, *self.settable)
        function = {"FunctionName": new["FunctionName"]}
        call("lambda", "put_function_event_invoke_config", **function, **given)

    def delete(self, physical_id: str, properties: Tree) -> None:
        function = {"FunctionName": properties["FunctionName"]}
        call("lambda", "delete_function_event_invoke_config", **function)
