"""DescribeInstanceTypes and DescribeInstanceTypeOfferings in pages, a hundred names a call.

Follows https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html
(InstanceTypes: at most 100; MaxResults: 5 to 100) and
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html
(MaxResults: 5 to 1000). What a type has is moto's copy of AWS's own answers. moto answers with
everything at once, however much is asked for.
"""

from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse

from localcloud.patches.paging import page
from localcloud.world import World

NAMES = 100
TYPES_A_PAGE = 100
OFFERINGS_A_PAGE = 1000
LEAST_A_PAGE = 5


def _describe_instance_types(self: Any) -> ActionResult:
    names = self._get_param("InstanceTypes", [])
    if len(names) > NAMES:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"The number of instance types ({len(names)}) exceeds the maximum of {NAMES}.",
        )
    filters = self._filters_from_querystring()
    found = self.ec2_backend.describe_instance_types(names, filters)
    return _paged(self, "InstanceTypes", found, TYPES_A_PAGE)


def _describe_offerings(self: Any) -> ActionResult:
    kind, filters = self._get_param("LocationType"), self._filters_from_querystring()
    found = self.ec2_backend.describe_instance_type_offerings(kind, filters)
    return _paged(self, "InstanceTypeOfferings", found, OFFERINGS_A_PAGE)


def _paged(response: Any, key: str, found: list[Any], most: int) -> ActionResult:
    response.error_on_dryrun()
    wanted = response._get_int_param("MaxResults", most)
    if not LEAST_A_PAGE <= wanted <= most:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Value ( {wanted} ) for parameter maxResults is invalid. Expecting a value from "
            f"{LEAST_A_PAGE} to {most}.",
        )
    shown, token = page(response, found, wanted)
    return ActionResult({key: shown, "NextToken": token})


@cache
def install() -> None:
    InstanceResponse.describe_instance_types = _describe_instance_types
    InstanceResponse.describe_instance_type_offerings = _describe_offerings


def attach(world: World) -> None:
    """Nothing happens here by itself."""
