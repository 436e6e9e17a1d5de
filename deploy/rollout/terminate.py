"""Terminate instances. Touches AWS (EC2)."""

from collections.abc import Sequence

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated

# As many as one request should name.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html
AT_ONCE = 1000


def terminate_instances(clients: Clients, instance_ids: Sequence[str]) -> None:
    """Terminate these instances; if one is already gone, the caller's next look shows what is left.

    EC2 terminates none of a request that names an unknown instance.
    """
    for begin in range(0, len(instance_ids), AT_ONCE):
        with translated("terminating instances"):
            try:
                clients("ec2").terminate_instances(
                    InstanceIds=list(instance_ids[begin : begin + AT_ONCE])
                )
            except ClientError as error:
                if error_code(error) != "InvalidInstanceID.NotFound":
                    raise
