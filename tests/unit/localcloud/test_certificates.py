"""The local cloud's CA: one for all clouds that share the cache."""

import subprocess
import sys
from pathlib import Path

from localcloud.certificates import certificates


def contents(folder: Path) -> tuple[bytes, bytes, bytes]:
    """Return the files as they are once ``certificates`` has returned."""
    made = certificates(folder)
    return made.ca.read_bytes(), made.server.read_bytes(), made.server_key.read_bytes()


def test_clouds_that_start_together_have_the_same(tmp_path: Path) -> None:
    script = "import sys, pathlib, localcloud.certificates as c\n"
    script += "made = c.certificates(pathlib.Path(sys.argv[1]))\n"
    script += "print(made.ca.read_text(), made.server.read_text(), made.server_key.read_text())"
    command = [sys.executable, "-c", script, str(tmp_path / "ca")]

    clouds = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    made = [cloud.communicate(timeout=60)[0] for cloud in clouds]

    assert len(set(made)) == 1
    assert made[0].count("BEGIN CERTIFICATE") == 2


def test_what_is_current_stays(tmp_path: Path) -> None:
    assert contents(tmp_path) == contents(tmp_path)


def test_half_a_file_is_replaced(tmp_path: Path) -> None:
    certificates(tmp_path).server.write_text("-----BEGIN CERTIFICATE-----\n")

    _, server, _ = contents(tmp_path)

    assert server.endswith(b"-----END CERTIFICATE-----\n")


def test_a_ca_that_did_not_sign_the_server_is_replaced(tmp_path: Path) -> None:
    first = certificates(tmp_path / "one")
    other = certificates(tmp_path / "other").ca.read_bytes()
    first.ca.write_bytes(other)

    ca, _, _ = contents(tmp_path / "one")

    assert ca != other
