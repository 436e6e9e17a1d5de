"""The console: what the machine itself wrote, and nothing else."""

from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock, FakeDriver


def test_console_output_remains_after_termination(
    aws: Clients, clock: FakeClock, driver: FakeDriver
) -> None:
    ec2 = aws("ec2")
    image = ec2.register_image(Name="an-image", Architecture="x86_64")["ImageId"]
    launched = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]
    name = launched["InstanceId"]
    driver.consoles[name] = "it is too dark here ☾\n"
    clock.advance(10)

    ec2.terminate_instances(InstanceIds=[name])
    clock.advance(10)

    assert ec2.get_console_output(InstanceId=name)["Output"] == "it is too dark here ☾\n"
