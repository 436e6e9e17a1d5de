"""Instances are machines: real Debian, real limits, real termination."""

from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.machine import STOP_SECONDS
from tests.cloud.harness import TIMEOUT_SECONDS, AwsError, Cloud, eventually

Instance = dict[str, Any]

BOOT = "stat -c %Y /proc/1"  # when the machine's systemd began


def test_a_machine_is_a_debian_that_has_finished_its_first_boot(
    cloud: Cloud, machine: Instance
) -> None:
    seen = cloud.on(
        machine["InstanceId"],
        ". /etc/os-release; echo $ID $VERSION_ID; cat /proc/1/comm; cat /etc/told",
    )

    assert seen.splitlines() == ["debian 12", "systemd", "hello"]


def test_no_unit_failed(cloud: Cloud, machine: Instance) -> None:
    failed = cloud.on(machine["InstanceId"], "systemctl --failed --plain --no-legend")

    assert failed == ""


def test_a_machine_has_its_own_name_and_host_keys(cloud: Cloud, machine: Instance) -> None:
    name = cloud.on(machine["InstanceId"], "hostname -f; ls /etc/ssh/ssh_host_*_key.pub | wc -l")

    dashed = machine["PrivateIpAddress"].replace(".", "-")
    assert name.split() == [f"ip-{dashed}.ec2.internal", "2"]


def test_memory_and_cores_are_those_of_the_instance_type(cloud: Cloud) -> None:
    instance = cloud.launch(InstanceType="t3.micro")

    done = cloud.attempt(instance["InstanceId"], "python3 -c 'b\"x\" * (1200 << 20)'")

    assert done.returncode == 137  # killed: a t3.micro has 1 GiB
    cloud.terminate(instance["InstanceId"])


@pytest.fixture(scope="module")
def own(cloud: Cloud) -> Iterator[Instance]:
    """One booted instance for the tests that power it off, reboot it, and break it at last."""
    pair = cloud.aws.ec2.create_key_pair(KeyName="opens", KeyType="ed25519")
    made = cloud.launch(KeyName="opens", InstanceInitiatedShutdownBehavior="stop")
    yield cloud.booted(made) | {"KeyMaterial": pair["KeyMaterial"]}
    cloud.aws.ec2.delete_key_pair(KeyName="opens")
    cloud.terminate(made["InstanceId"])


def test_only_the_launch_key_opens_a_machine(cloud: Cloud, own: Instance) -> None:
    keys = cloud.on(own["InstanceId"], "cat /home/admin/.ssh/authorized_keys")

    assert keys.count("ssh-") == 1
    assert keys.endswith(" opens")
    assert own["KeyMaterial"] not in keys


def test_a_power_off_from_inside_stops_and_a_start_finds_disk_and_address(
    cloud: Cloud, own: Instance
) -> None:
    instance_id = own["InstanceId"]
    cloud.on(instance_id, "echo kept >/root/kept; systemctl poweroff")

    stopped = cloud.until(instance_id, "stopped")
    assert stopped["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    cloud.aws.ec2.start_instances(InstanceIds=[instance_id])
    again = cloud.until(instance_id, "running")

    assert cloud.on(instance_id, "cat /root/kept") == "kept"
    assert again["PrivateIpAddress"] == own["PrivateIpAddress"]


def test_a_reboot_boots_again_and_the_instance_stays_running(cloud: Cloud, own: Instance) -> None:
    instance_id = cloud.booted(own)["InstanceId"]
    before = cloud.on(instance_id, BOOT)

    cloud.aws.ec2.reboot_instances(InstanceIds=[instance_id])

    def has_rebooted() -> bool:
        done = cloud.attempt(instance_id, BOOT)
        return done.returncode == 0 and done.stdout.strip() != before

    # After that time a machine that does not power off is killed, as on EC2.
    eventually("the reboot", has_rebooted, STOP_SECONDS + TIMEOUT_SECONDS)
    assert cloud.describe(instance_id)["State"]["Name"] == "running"


def test_an_image_that_does_not_boot_terminates_the_instance_with_a_reason(
    cloud: Cloud, own: Instance
) -> None:
    cloud.booted(own)
    cloud.on(own["InstanceId"], "rm /sbin/init /lib/systemd/systemd /usr/bin/sh")
    image = cloud.image_of(own["InstanceId"], "does-not-boot")

    answer = cloud.aws.ec2.run_instances(
        ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1
    )
    ended = cloud.until(answer["Instances"][0]["InstanceId"], "terminated")

    assert ended["StateReason"]["Code"] == "Server.InternalError"
    cloud.aws.ec2.deregister_image(ImageId=image)


def test_a_power_off_from_inside_terminates_where_that_is_set(cloud: Cloud) -> None:
    instance = cloud.booted(cloud.launch(InstanceInitiatedShutdownBehavior="terminate"))

    cloud.attempt(instance["InstanceId"], "systemctl poweroff")

    cloud.until(instance["InstanceId"], "terminated")


def test_an_unknown_image_launches_nothing(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="does not exist") as refusal:
        cloud.launch(ImageId="ami-0123456789abcdef0")

    assert refusal.value.code == "InvalidAMIID.NotFound"


def test_a_terminated_instance_leaves_nothing_on_the_host(cloud: Cloud) -> None:
    instance = cloud.launch()
    instance_id = instance["InstanceId"]

    cloud.terminate(instance_id)

    assert cloud.traces(instance_id) == []
