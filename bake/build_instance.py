"""Set up what Packer 1.6.6 cannot for its build instances. Changes AWS (EC2).

It would tag neither the key pair nor the security group that it makes, so it gets both: without
tags they could not be told from other people's, neither among the leftovers of a killed bake nor by
the policies of whoever bakes. It rejects metadata_options, so tokens are required right after the
launch.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from botocore.exceptions import ClientError

from bake.fresh_instance import InstanceSpec, create_access, terminate
from bake.spec import BuildSpec
from common.clients import Clients, error_code, translated
from common.consistency import NO_INSTANCE, once_known
from common.waiting import Clock

INSTANCE = re.compile(r"Instance ID: (i-[0-9a-f]+)")


@contextmanager
def access_variables(clients: Clients, spec: BuildSpec, clock: Clock) -> Iterator[dict[str, str]]:
    """Yield the variables of packer/1.6.6: a key pair and a security group, removed at the end."""
    name = f"raykiln-bake-{spec.image.slug}-{spec.stamp}"
    instance = InstanceSpec(
        spec.environment,
        spec.settings,
        spec.subnet,
        spec.base.ami_id,
        name=name,
        owner=spec.owner,
        folder=spec.folder,
    )
    with translated("the build instance's key pair and group"), ExitStack() as cleanup:
        access = create_access(clients, instance, clock, cleanup)
        yield {
            "key_pair_name": name,
            "private_key_file": str(access.key_file),
            "security_group_id": access.group_id,
        }


@dataclass
class BuildInstance:
    """The build instance of one role, which Packer's output names."""

    clients: Clients
    clock: Clock
    instance_id: str = ""

    def handle_output(self, words: str) -> None:
        """Act on a line of Packer's output; raises PipelineError when AWS rejects a call."""
        if started := INSTANCE.search(words):
            self.instance_id = started[1]
            self._require_tokens(started[1])

    def terminate(self) -> None:
        """Terminate it, which Packer has done unless it was killed, so that its group can go."""
        try:
            terminate(self.clients, (self.instance_id,) if self.instance_id else (), self.clock)
        except ClientError as error:
            if error_code(error) != NO_INSTANCE:
                raise

    def _require_tokens(self, instance_id: str) -> None:
        """Require IMDSv2 (ModifyInstanceMetadataOptions in the EC2 API Reference)."""
        ec2, required = self.clients("ec2"), {"HttpTokens": "required", "HttpEndpoint": "enabled"}
        with translated(f"requiring IMDSv2 of the build instance {instance_id}"):
            once_known(
                lambda: ec2.modify_instance_metadata_options(InstanceId=instance_id, **required),
                NO_INSTANCE,
                clock=self.clock,
            )
