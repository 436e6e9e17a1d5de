"""The local cloud's CA: one for all clouds that share the cache."""

import multiprocessing
from pathlib import Path

from localcloud.certificates import certificates


def contents(folder: Path) -> tuple[bytes, bytes, bytes]:
    """Return the files as they are once ``certificates`` has returned."""
    made = certificates(folder)
    return made.ca.read_bytes(), made.server.read_bytes(), made.server_key.read_bytes()


def test_clouds_that_start_together_have_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        made = pool.map(contents, [tmp_path / "ca"] * 4, chunksize=1)

    assert len(set(made)) == 1


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
