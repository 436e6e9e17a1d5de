"""Complete the setup of the build instances that Packer 1.6.6 launches. Changes AWS (EC2).

It rejects metadata_options, and tags neither its key pair nor its security group. Without tags, the
leftovers of a killed bake could not be distinguished from other resources.
"""

import re
from dataclasses import dataclass

from bake.owner import TAG, Owner
from common.clients import Clients, translated

KEY = re.compile(r"Creating temporary keypair: (\S+)")
GROUP = re.compile(r"Creating temporary security group for this instance: (\S+)")
# Packer prints this when key pair and group exist, and before it launches the instance.
BOTH_EXIST = "Authorizing access to port"
INSTANCE = re.compile(r"Instance ID: (i-[0-9a-f]+)")


@dataclass
class BuildInstance:
    """The build instance of one role; its parts get their names from Packer's output."""

    clients: Clients
    owner: Owner
    key_name: str = ""
    group_name: str = ""

    def handle_output(self, words: str) -> None:
        """Act on a line of Packer's output; raises PipelineError when AWS rejects a call."""
        if named := KEY.search(words):
            self.key_name = named[1]
        elif named := GROUP.search(words):
            self.group_name = named[1]
        elif words.startswith(BOTH_EXIST):
            self._tag_key_and_group()
        elif started := INSTANCE.search(words):
            self._require_tokens(started[1])

    def _tag_key_and_group(self) -> None:
        """Tag key pair and security group with the owner, as Packer tags the instance."""
        ec2 = self.clients("ec2")
        by_name = [{"Name": "group-name", "Values": [self.group_name]}]
        with translated("tagging the build instance's key pair and security group"):
            groups = ec2.describe_security_groups(Filters=by_name)["SecurityGroups"]
            keys = ec2.describe_key_pairs(KeyNames=[self.key_name])["KeyPairs"]
            ids = [group["GroupId"] for group in groups] + [key["KeyPairId"] for key in keys]
            ec2.create_tags(Resources=ids, Tags=[{"Key": TAG, "Value": str(self.owner)}])

    def _require_tokens(self, instance_id: str) -> None:
        """Require IMDSv2 (ModifyInstanceMetadataOptions in the EC2 API Reference)."""
        with translated(f"requiring IMDSv2 of the build instance {instance_id}"):
            self.clients("ec2").modify_instance_metadata_options(
                InstanceId=instance_id, HttpTokens="required", HttpEndpoint="enabled"
            )
