"""What an image must not contain: identities, keys, traces of the build instance."""

from typing import Any

from tests.image.conftest import Expected

AWS_KEY = r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"


def files(machine: Any, search: str) -> set[str]:
    """Return what ``search`` prints; finding nothing is no error."""
    return set(machine.run(search).stdout.split())


def test_the_machine_id_is_the_instances_own(facts: dict[str, Any], base: dict[str, Any]) -> None:
    assert len(facts["machine_id"]) == 32
    assert facts["machine_id"] != base["machine_id"]


def test_the_host_keys_were_made_by_the_instance(
    facts: dict[str, Any], base: dict[str, Any]
) -> None:
    assert facts["host_keys"]
    assert not set(facts["host_keys"].values()) & set(base["host_keys"].values())


def test_the_only_private_keys_are_the_host_keys_and_the_base_images(
    facts: dict[str, Any], base: dict[str, Any]
) -> None:
    def of_the_host(found: dict[str, Any]) -> set[str]:
        return {f"/etc/ssh/{name.removesuffix('.pub')}" for name in found["host_keys"]}

    before = set(base["private_keys"]) - of_the_host(base)

    assert set(facts["private_keys"]) == before | of_the_host(facts)


def test_there_are_no_aws_keys(machine: Any) -> None:
    where = "/etc /root /home /opt/raykiln /var/lib/ray /var/lib/cloud"

    assert files(machine, f"grep -rlsE '{AWS_KEY}' {where}") == set()


def test_the_only_authorized_key_is_this_instances(machine: Any, expected: Expected) -> None:
    mine = machine.check_output(f"cat /home/{expected.user}/.ssh/authorized_keys")
    places = files(machine, "find / -xdev -name authorized_keys")

    assert len(mine.splitlines()) == 1
    assert places <= {f"/home/{expected.user}/.ssh/authorized_keys", "/root/.ssh/authorized_keys"}


def test_the_journal_knows_one_boot(machine: Any) -> None:
    assert len(machine.check_output("journalctl --list-boots -q --no-pager").splitlines()) == 1


def test_cloud_init_knows_one_instance(machine: Any) -> None:
    assert len(files(machine, "ls /var/lib/cloud/instances")) == 1


def test_no_file_was_added_to_a_home(facts: dict[str, Any], base: dict[str, Any]) -> None:
    assert sorted(set(facts["home_files"]) - set(base["home_files"])) == []


def test_no_wheel_was_added(facts: dict[str, Any], base: dict[str, Any]) -> None:
    assert facts["wheels"] == base["wheels"]


def test_no_uploads_histories_and_archives_are_left(machine: Any) -> None:
    assert (
        files(machine, "find /tmp/raykiln /var/tmp -mindepth 1 -not -path '*systemd-private*'")
        == set()
    )
    assert files(machine, "find /root /home -name '.*_history'") == set()
    assert files(machine, "find /var/cache/apt/archives -name '*.deb'") == set()
