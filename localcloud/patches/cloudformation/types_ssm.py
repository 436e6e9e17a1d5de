"""AWS::SSM::Parameter, of text that is no secret.

Properties and update behaviour: docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
aws-resource-ssm-parameter.html. A SecureString cannot be made by CloudFormation.
"""

from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call


@register
class Parameter(ResourceType):
    type_name = "AWS::SSM::Parameter"
    replacing = frozenset({"Name"})
    properties = replacing | {"Description", "Type", "Value"}
    required = frozenset({"Type", "Value"})

    def create(self, place: Place, properties: Tree) -> str:
        name = str(properties.get("Name") or place.name())
        given = chosen(properties, "Description", "Type", "Value")
        call("ssm", "put_parameter", Name=name, Tags=place.tags(properties), **given)
        return name

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if not old:
            return
        # A parameter cannot be given tags and another value in one request.
        given = chosen(new, "Description", "Type", "Value")
        call("ssm", "put_parameter", Name=physical_id, Overwrite=True, **given)
        resource = {"ResourceType": "Parameter", "ResourceId": physical_id}
        removed, tags = place.tag_changes(old, new)
        if removed:
            call("ssm", "remove_tags_from_resource", **resource, TagKeys=removed)
        if tags:
            call("ssm", "add_tags_to_resource", **resource, Tags=tags)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ssm", "delete_parameter", Name=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        found = call("ssm", "get_parameter", Name=physical_id)["Parameter"]
        known = {"Type": found["Type"], "Value": found["Value"]}
        return known.get(name) or super().attribute(physical_id, name)
