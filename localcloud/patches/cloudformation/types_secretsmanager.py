"""AWS::SecretsManager::Secret.

Properties and update behaviour: docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
aws-resource-secretsmanager-secret.html. A secret is deleted at once, as by CloudFormation.
"""

import json
from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Failed, Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call


@register
class Secret(ResourceType):
    type_name = "AWS::SecretsManager::Secret"
    replacing = frozenset({"Name"})
    properties = replacing | {
        "Description",
        "GenerateSecretString",
        "KmsKeyId",
        "SecretString",
        "Tags",
    }
    attributes = frozenset({"Id"})

    def create(self, place: Place, properties: Tree) -> str:
        given = {"Name": place.name(100), **chosen(properties, "Name", "Description", "KmsKeyId")}
        if text := _content(properties):
            given["SecretString"] = text
        made = call("secretsmanager", "create_secret", Tags=place.tags(properties), **given)
        return str(made["ARN"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if not old:
            return
        changed = chosen(new, "Description", "KmsKeyId")
        # What a person has stored since is kept, unless the template says something else.
        names = ("SecretString", "GenerateSecretString")
        if chosen(new, *names) != chosen(old, *names) and (text := _content(new)):
            changed["SecretString"] = text
        call("secretsmanager", "update_secret", SecretId=physical_id, **changed)

    def delete(self, physical_id: str, properties: Tree) -> None:
        given = {"SecretId": physical_id, "ForceDeleteWithoutRecovery": True}
        call("secretsmanager", "delete_secret", **given)

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "Id" else super().attribute(physical_id, name)


def _content(properties: Tree) -> str:
    """Return the secret's text: given, generated, or none."""
    wanted = properties.get("GenerateSecretString")
    if "SecretString" in properties and wanted is not None:
        raise Failed("You can't specify both SecretString and GenerateSecretString")
    if wanted is None:
        return str(properties.get("SecretString", ""))
    template = wanted.get("SecretStringTemplate")
    key = wanted.get("GenerateStringKey")
    rest = {k: v for k, v in wanted.items() if not k.startswith(("SecretString", "GenerateString"))}
    made = call("secretsmanager", "get_random_password", **rest)["RandomPassword"]
    return json.dumps({**json.loads(template), key: made}) if template else str(made)
