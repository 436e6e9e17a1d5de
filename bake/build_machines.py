"""What Packer 1.6.6 leaves undone on the build machines that it starts. Changes AWS (EC2).

It refuses metadata_options, and tags neither its key pair nor its security group, so that those of
a bake that was killed could not be told from anybody else's.
"""

import re
from dataclasses import dataclass

from bake.owner import TAG, Owner
from common.clients import Clients, translated

KEY = re.compile(r"Creating temporary keypair: (\S+)")
GROUP = re.compile(r"Creating temporary security group for this instance: (\S+)")
# Said when key pair and group exist, and before the instance does.
BOTH_EXIST = "Authorizing access to port"
INSTANCE = re.compile(r"Instance ID: (i-[0-9a-f]+)")


@dataclass
class BuildMachine:
    """One role's machine, as far as Packer has named its parts."""

    clients: Clients
    owner: Owner
    key_name: str = ""
    group_name: str = ""

    def hear(self, words: str) -> None:
        """Act on what Packer says; raises PipelineError when AWS refuses."""
        if named := KEY.search(words):
            self.key_name = named[1]
        elif named := GROUP.search(words):
            self.group_name = named[1]
        elif words.startswith(BOTH_EXIST):
            self._claim()
        elif started := INSTANCE.search(words):
            self._require_tokens(started[1])

    def _claim(self) -> None:
        """Tag key pair and group as this bake's, as Packer tags the instance."""
        ec2 = self.clients("ec2")
        by_name = [{"Name": "group-name", "Values": [self.group_name]}]
        with translated("tagging what Packer started"):
            groups = ec2.describe_security_groups(Filters=by_name)["SecurityGroups"]
            keys = ec2.describe_key_pairs(KeyNames=[self.key_name])["KeyPairs"]
            ids = [group["GroupId"] for group in groups] + [key["KeyPairId"] for key in keys]
            ec2.create_tags(Resources=ids, Tags=[{"Key": TAG, "Value": str(self.owner)}])

    def _require_tokens(self, instance_id: str) -> None:
        """Require IMDSv2 (ModifyInstanceMetadataOptions in the EC2 API Reference)."""
        with translated(f"requiring IMDSv2 of the build machine {instance_id}"):
            self.clients("ec2").modify_instance_metadata_options(
                InstanceId=instance_id, HttpTokens="required", HttpEndpoint="enabled"
            )
