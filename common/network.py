"""The network of an environment: a VPC to create, or an existing one to use. No AWS."""

from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from common.table import Table, Text, like

InterfaceService = Literal[
    "aps-workspaces", "autoscaling", "ec2", "logs", "monitoring", "ssm", "ssmmessages"
]
GatewayService = Literal["dynamodb", "s3"]
# What nodes call. Agents from 3.3.40 need no ec2messages:
# docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-setting-up-messageAPIs.html
INTERFACES: tuple[InterfaceService, ...] = (
    "autoscaling",
    "ec2",
    "logs",
    "monitoring",
    "ssm",
    "ssmmessages",
)
# Where heads send metrics, if they do; only by its name.
METRICS_INTERFACE: InterfaceService = "aps-workspaces"
GATEWAYS: tuple[GatewayService, ...] = ("dynamodb", "s3")

# A VPC is a /16 to a /28 (docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html). Six
# subnets are cut from it, and in each a load balancer alone needs eight free addresses:
# docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html
LARGEST, SMALLEST = 16, 24


def _written_out(value: Any) -> Any:
    """Python would take a number for a single address."""
    if not isinstance(value, str | IPv4Network):
        raise ValueError(f"{value!r} is no range such as 10.77.0.0/16")
    return value


def _services(value: Any) -> Any:
    """Check the whole, as of several kinds each would be a mistake."""
    known = (*INTERFACES, *GATEWAYS, METRICS_INTERFACE)
    listed = isinstance(value, list | tuple) and all(name in known for name in value)
    if not listed and not isinstance(value, bool | None):
        raise ValueError(f"{value!r} is not true, false, or a list of some of {', '.join(known)}")
    return value


def _vpc_range(cidr: IPv4Network) -> IPv4Network:
    if not LARGEST <= cidr.prefixlen <= SMALLEST:
        raise ValueError(
            f"{cidr} is a /{cidr.prefixlen}: a VPC is a /{LARGEST} at most, and six subnets with "
            f"a load balancer's addresses need a /{SMALLEST} at least"
        )
    return cidr


def _not_everyone(cidr: IPv4Network) -> IPv4Network:
    if cidr.prefixlen == 0:
        raise ValueError(f"{cidr} is every address: name the ranges of your VPN or office")
    return cidr


Range = Annotated[IPv4Network, BeforeValidator(_written_out)]
_ID = "([0-9a-f]{8}|[0-9a-f]{17})"
VpcId = Annotated[Text, like(rf"(vpc-{_ID})?", "vpc-0123456789abcdef0")]
SubnetId = Annotated[Text, like(rf"subnet-{_ID}", "subnet-0123456789abcdef0")]
RouteTableId = Annotated[Text, like(rf"rtb-{_ID}", "rtb-0123456789abcdef0")]


class Network(Table):
    """The VPC to create, or an existing one to use."""

    cidr: Annotated[Range, AfterValidator(_vpc_range)] = IPv4Network("10.77.0.0/16")
    zones: int = Field(default=2, ge=2, le=3)
    nat: bool = False
    # True: all that nodes need, in a VPC that is created; the default there. Names: these alone.
    endpoints: Annotated[
        bool | tuple[InterfaceService | GatewayService, ...] | None, BeforeValidator(_services)
    ] = None
    # Who may reach the cluster's endpoint, the build instances and the image tests.
    operator_cidrs: tuple[Annotated[Range, AfterValidator(_not_everyone)], ...] = Field(
        min_length=1
    )
    vpc_id: VpcId = ""
    private_subnet_ids: tuple[SubnetId, ...] = ()
    # Of the existing VPC: those that get routes to the endpoints of s3 and dynamodb.
    route_table_ids: tuple[RouteTableId, ...] = ()

    @property
    def interfaces(self) -> tuple[InterfaceService, ...]:
        """The services to create interface endpoints for."""
        return tuple(name for name in (*INTERFACES, METRICS_INTERFACE) if name in self._wanted)

    @property
    def gateways(self) -> tuple[GatewayService, ...]:
        """The services to create gateway endpoints for."""
        return tuple(name for name in GATEWAYS if name in self._wanted)

    @property
    def _wanted(self) -> tuple[str, ...]:
        if isinstance(self.endpoints, tuple):
            return self.endpoints
        unset = self.endpoints is None and not self.vpc_id
        return (*INTERFACES, *GATEWAYS) if self.endpoints or unset else ()

    @model_validator(mode="after")
    def _existing_vpc_has_subnets(self) -> "Network":
        if bool(self.vpc_id) != bool(self.private_subnet_ids):
            raise ValueError("vpc_id and private_subnet_ids go together: give both or neither")
        if len(set(self.private_subnet_ids)) < len(self.private_subnet_ids):
            raise ValueError("private_subnet_ids: a subnet is named twice")
        return self

    @model_validator(mode="after")
    def _others_keep_their_endpoints(self) -> "Network":
        """An endpoint takes over a service's name for a whole VPC, so others must be asked first.

        https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html
        """
        if self.vpc_id and self.endpoints is True:
            raise ValueError(
                "endpoints = true would take over the names of AWS's services in a whole VPC that "
                "exists: name those that it lacks, for example "
                'endpoints = ["ssm", "ssmmessages"], or none: []'
            )
        if self.vpc_id and bool(self.gateways) != bool(self.route_table_ids):
            raise ValueError(
                "endpoints for s3 or dynamodb and route_table_ids go together: the endpoints are "
                "routes in these tables"
            )
        if self.route_table_ids and not self.vpc_id:
            raise ValueError("route_table_ids is only for an existing VPC")
        return self
