"""What a machine says on its console is what GetConsoleOutput tells, also after its end."""

from common.waiting import Seen
from tests.cloud.harness import Cloud, until


def test_a_machine_that_is_gone_is_still_quoted(cloud: Cloud) -> None:
    instance = cloud.launch()["InstanceId"]
    cloud.booted({"InstanceId": instance})
    cloud.on(instance, "echo these are my last words > /dev/console")

    def look() -> Seen[str]:
        said = cloud.aws.ec2.get_console_output(InstanceId=instance)["Output"]
        return Seen(said if "my last words" in said else None, said[-200:])

    until("words on the console", look)
    cloud.end(instance)

    said = cloud.aws.ec2.get_console_output(InstanceId=instance)["Output"]
    assert "my last words" in said
    assert "Reached target" in said
