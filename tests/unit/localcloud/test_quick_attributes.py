"""The attributes of an answer are those that moto finds."""

from typing import Any, ClassVar

import pytest
from moto.core.parse import XFormedDict
from moto.core.serialize import QuerySerializer, ResponseSerializer, XFormedAttributePicker
from moto.core.utils import get_service_model

from localcloud.quick import attributes

OF_MOTO = attributes._of_moto


class Group:
    """An object of moto's: one name is that of its class, one is given, one is spelt otherwise."""

    class Meta:
        serialization_aliases: ClassVar = {"VpcId": "network.id"}

    network: ClassVar = {"id": "vpc-1"}
    id = "sg-1"
    group_name = "heads"
    Description = None


class Anything:
    """Has whatever it is asked for."""

    def __getattr__(self, name: str) -> str:
        return f"its {name}"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        Group(),
        Anything(),
        {"GroupId": "sg-2", "group_name": None, "vpcId": "vpc-2"},
        {"network": {"id": "vpc-3"}, "Description": ""},
        XFormedDict({"GroupName": "workers", "description": "theirs"}),
    ],
)
@pytest.mark.parametrize("transformers", [{}, {"p.Description": str.upper, "GroupName": repr}])
def test_what_is_found_is_what_moto_finds(value: Any, transformers: dict[str, Any]) -> None:
    operation = get_service_model("ec2").operation_model("DescribeSecurityGroups")
    groups = operation.output_shape.members["SecurityGroups"]
    shape = groups.member
    serializer = QuerySerializer(
        operation, value_picker=XFormedAttributePicker(response_transformers=transformers)
    )
    serializer.path = ["SecurityGroup"]

    for key, member in shape.members.items():
        member.parent = shape
        for _ in range(2):
            found = attempted(attributes.get_value, serializer, value, key, member)
            assert found == attempted(OF_MOTO, serializer, value, key, member), key


def test_an_answer_without_names_of_its_own_is_left_to_moto() -> None:
    operation = get_service_model("ec2").operation_model("DescribeSecurityGroups")
    serializer = QuerySerializer(operation)

    assert attributes.get_value(serializer, Group(), "GroupName", operation.output_shape) is None


def attempted(
    find: Any, serializer: ResponseSerializer, value: Any, key: str, shape: Any
) -> tuple[Any, type[Exception] | None]:
    """Return what is found, or what is raised."""
    try:
        return find(serializer, value, key, shape), None
    except Exception as error:  # a transformer may not take what is found
        return None, type(error)
