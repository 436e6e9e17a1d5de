"""The VPC endpoints of a foundation, generated: CloudFormation has no loops. Pure: no AWS."""

from typing import Any

from common.network import Network

LOGICAL_IDS = {
    "aps-workspaces": "MetricsWorkspaceEndpoint",
    "autoscaling": "AutoScalingEndpoint",
    "dynamodb": "DynamoDbEndpoint",
    "ec2": "Ec2Endpoint",
    "logs": "LogsEndpoint",
    "monitoring": "MonitoringEndpoint",
    "s3": "S3Endpoint",
    "ssm": "SsmEndpoint",
    "ssmmessages": "SsmMessagesEndpoint",
}
SECURITY_GROUP = "EndpointSecurityGroup"
SUBNETS = [
    {"Ref": "PrivateSubnetA"},
    {"Ref": "PrivateSubnetB"},
    {"Fn::If": ["MakeThirdZone", {"Ref": "PrivateSubnetC"}, {"Ref": "AWS::NoValue"}]},
]
Resources = dict[str, dict[str, Any]]


def endpoint_sections(network: Network, vpc_cidrs: tuple[str, ...]) -> dict[str, Resources]:
    """Return what the endpoints that are asked for add to each section of the template.

    ``vpc_cidrs`` are the ranges of an existing VPC: an endpoint takes over its service's name in
    the whole VPC, so it must admit all of it. Empty in a VPC that is created.
    https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
    """
    found = {LOGICAL_IDS[name]: _gateway(network, name) for name in network.gateways}
    found |= {LOGICAL_IDS[name]: _interface(network, name) for name in network.interfaces}
    if not network.interfaces:
        return {"Resources": found}
    found[SECURITY_GROUP] = _security_group(network, vpc_cidrs)
    output: dict[str, Any] = {"Value": {"Ref": SECURITY_GROUP}}
    if not network.vpc_id:
        output["Condition"] = "MakeVpc"
    return {"Resources": found, "Outputs": {f"{SECURITY_GROUP}Id": output}}


def _gateway(network: Network, service: str) -> dict[str, Any]:
    tables: list[Any] = list(network.route_table_ids) or [{"Ref": "PrivateRoutes"}]
    return _endpoint(network, service, "Gateway", RouteTableIds=tables)


def _interface(network: Network, service: str) -> dict[str, Any]:
    return _endpoint(
        network,
        service,
        "Interface",
        PrivateDnsEnabled=True,
        SecurityGroupIds=[{"Ref": SECURITY_GROUP}],
        SubnetIds=list(network.private_subnet_ids) or SUBNETS,
    )


def _endpoint(network: Network, service: str, kind: str, **properties: Any) -> dict[str, Any]:
    return _resource(
        network,
        "AWS::EC2::VPCEndpoint",
        VpcEndpointType=kind,
        ServiceName={"Fn::Sub": f"com.amazonaws.${{AWS::Region}}.{service}"},
        **properties,
    )


def _security_group(network: Network, vpc_cidrs: tuple[str, ...]) -> dict[str, Any]:
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    ranges = vpc_cidrs if network.vpc_id else (str(network.cidr),)
    return _resource(
        network,
        "AWS::EC2::SecurityGroup",
        GroupDescription="VPC endpoints of AWS services",
        SecurityGroupIngress=[
            {**https, "CidrIp": cidr, "Description": "HTTPS from the VPC"} for cidr in ranges
        ],
        # A group without a rule would allow all.
        SecurityGroupEgress=[{**https, "CidrIp": "127.0.0.1/32", "Description": "None"}],
    )


def _resource(network: Network, kind: str, **properties: Any) -> dict[str, Any]:
    """Return a resource in the VPC; one that is created exists on a condition of the template."""
    if network.vpc_id:
        return {"Type": kind, "Properties": {"VpcId": network.vpc_id, **properties}}
    condition = {"Condition": "MakeVpc"}
    return {"Type": kind, **condition, "Properties": {"VpcId": {"Ref": "Vpc"}, **properties}}
