"""GetConsoleOutput returns what a machine writes to its console, also after termination."""

from common.waiting import Seen
from tests.cloud.harness import Cloud, until


def test_console_output_remains_after_termination(cloud: Cloud) -> None:
    instance = cloud.launch()["InstanceId"]
    cloud.booted({"InstanceId": instance})
    cloud.on(instance, "echo these are my last words > /dev/console")

    def look() -> Seen[str]:
        answer = cloud.aws.ec2.get_console_output(InstanceId=instance, Latest=True)
        said = answer["Output"]
        return Seen(said if "my last words" in said else None, said[-200:])

    until("words on the console", look)
    cloud.terminate(instance)

    said = cloud.aws.ec2.get_console_output(InstanceId=instance)["Output"]
    assert "my last words" in said
    assert "Reached target" in said
