"""How a fresh instance is asked by SSH."""

from pathlib import Path

from bake.fresh_instance import SshAccess
from bake.ssh import as_root


def test_a_command_runs_as_root_over_one_connection_with_the_key_made_for_it(
    tmp_path: Path,
) -> None:
    access = SshAccess("i-1", "10.0.0.9", "admin", tmp_path / "key")

    assert as_root(access, "python3", "-I", "-") == [
        *("ssh", "-F", f"{tmp_path}/ssh_config", "admin@10.0.0.9"),
        *("sudo", "python3", "-I", "-"),
    ]
    assert (tmp_path / "ssh_config").read_text().splitlines() == [
        "Host *",
        "  ControlMaster auto",
        "  ControlPersist 120s",
        f"  ControlPath {tmp_path}/ssh",
        f"  IdentityFile {tmp_path}/key",
        "  IdentitiesOnly yes",
        "  StrictHostKeyChecking no",
        "  UserKnownHostsFile /dev/null",
        "  LogLevel ERROR",
        "  ConnectTimeout 10",
    ]
