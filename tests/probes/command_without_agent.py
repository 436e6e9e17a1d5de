"""A command to an instance that has no agent yet is refused as InvalidInstanceId.

Deploy asks a head to run something as soon as it can; until the agent is there, it asks again.
"""

from tests.probes.kit.instances import launch
from tests.probes.kit.place import Place, answer_to

SOURCE = "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html"
ASSUMED = "InvalidInstanceId"


def probe(place: Place) -> str:
    instance = launch(place)
    return answer_to(
        lambda: place.clients("ssm").send_command(
            InstanceIds=[instance],
            DocumentName="AWS-RunShellScript",
            Parameters={"commands": ["true"]},
        )
    )
