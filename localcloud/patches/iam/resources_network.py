"""What EC2's actions on networks, groups, keys and images touch, and what they create.

Follows "Actions defined by Amazon EC2" of the Service Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html): the
resources of each action, and "ec2:CreateAction" of EC2's user guide: to create something with tags
needs CreateTags (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html).
"""

# The kind of what an action creates.
CREATES = {
    "AllocateAddress": "elastic-ip",
    "CreateInternetGateway": "internet-gateway",
    "CreateKeyPair": "key-pair",
    "CreateLaunchTemplate": "launch-template",
    "CreateNatGateway": "natgateway",
    "CreatePlacementGroup": "placement-group",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateVpc": "vpc",
    "CreateVpcEndpoint": "vpc-endpoint",
}
# What has a name instead of an id, and the parameter that names it.
NAMED = {"key-pair": "KeyName", "placement-group": "GroupName"}
# The parameters that hold ids of what an action touches.
TOUCHES: dict[str, tuple[str, ...]] = {
    "AssociateRouteTable": ("RouteTableId", "SubnetId"),
    "AttachInternetGateway": ("InternetGatewayId", "VpcId"),
    "AuthorizeSecurityGroupEgress": ("GroupId",),
    "AuthorizeSecurityGroupIngress": ("GroupId",),
    "CreateNatGateway": ("SubnetId", "AllocationId"),
    "CreateRoute": ("RouteTableId",),
    "CreateRouteTable": ("VpcId",),
    "CreateSecurityGroup": ("VpcId",),
    "CreateSubnet": ("VpcId",),
    "CreateVpcEndpoint": ("VpcId", "RouteTableIds", "SecurityGroupIds", "SubnetIds"),
    "DeleteInternetGateway": ("InternetGatewayId",),
    "DeleteNatGateway": ("NatGatewayId",),
    "DeleteRoute": ("RouteTableId",),
    "DeleteRouteTable": ("RouteTableId",),
    "DeleteSecurityGroup": ("GroupId",),
    "DeleteSnapshot": ("SnapshotId",),
    "DeleteSubnet": ("SubnetId",),
    "DeleteVolume": ("VolumeId",),
    "DeleteVpc": ("VpcId",),
    "DeleteVpcEndpoints": ("VpcEndpointIds",),
    "DeregisterImage": ("ImageId",),
    "DetachInternetGateway": ("InternetGatewayId", "VpcId"),
    "DisassociateRouteTable": ("AssociationId",),
    "EnableImageDeprecation": ("ImageId",),
    "ModifyImageAttribute": ("ImageId",),
    "ModifySnapshotAttribute": ("SnapshotId",),
    "ModifySubnetAttribute": ("SubnetId",),
    "ModifyVpcAttribute": ("VpcId",),
    "ModifyVpcEndpoint": (
        "VpcEndpointId",
        "AddRouteTableIds",
        "AddSecurityGroupIds",
        "AddSubnetIds",
    ),
    "ReleaseAddress": ("AllocationId",),
    "ReplaceRoute": ("RouteTableId",),
    "RevokeSecurityGroupEgress": ("GroupId",),
    "RevokeSecurityGroupIngress": ("GroupId",),
    "UpdateSecurityGroupRuleDescriptionsEgress": ("GroupId",),
    "UpdateSecurityGroupRuleDescriptionsIngress": ("GroupId",),
}
DELETES_NAMED = {"DeleteKeyPair": "key-pair", "DeletePlacementGroup": "placement-group"}
