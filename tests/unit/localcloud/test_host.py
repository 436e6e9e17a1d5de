"""What the local cloud is on a host: names, certificates, control groups, layers. No root."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from common.errors import Refused
from localcloud import cgroups
from localcloud.base_image import VARIABLE, base_images, recipe_digest
from localcloud.certificates import LIFE, NAMES, certificates
from localcloud.cgroups import EVEN, Group, Limits
from localcloud.images import Images
from localcloud.network import gateway_of
from localcloud.paths import paths


def test_clouds_of_different_homes_have_different_names() -> None:
    names = {paths({"RAYKILN_HOME": home}).name for home in ("/one", "/two", "/one")}

    assert len(names) == 2
    assert all(len(name) == 9 for name in names)  # rk- and six digits


def test_the_cache_is_in_the_home_unless_it_is_set() -> None:
    assert paths({"RAYKILN_HOME": "/one"}).cache == Path("/one/cache")
    assert paths({"RAYKILN_HOME": "/one", "RAYKILN_CACHE": "/c"}).cache == Path("/c")


def test_certificates_are_made_once(tmp_path: Path) -> None:
    first = certificates(tmp_path).ca.read_bytes()

    assert certificates(tmp_path).ca.read_bytes() == first
    assert certificates(tmp_path).server_key.stat().st_mode & 0o777 == 0o600


def test_the_server_is_trusted_for_awss_names(tmp_path: Path) -> None:
    found = certificates(tmp_path)
    context = ssl.create_default_context(cafile=str(found.ca))

    subject = x509.load_pem_x509_certificate(found.server.read_bytes())
    names = subject.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert context.cert_store_stats()["x509_ca"] == 1
    assert set(names.get_values_for_type(x509.DNSName)) == set(NAMES)


def test_the_ca_can_sign_only_awss_names(tmp_path: Path) -> None:
    authority = x509.load_pem_x509_certificate(certificates(tmp_path).ca.read_bytes())

    limits = authority.extensions.get_extension_for_class(x509.NameConstraints)

    assert limits.critical
    assert limits.value.permitted_subtrees == [
        x509.DNSName("amazonaws.com"),
        x509.DNSName("api.aws"),
    ]
    assert not list(tmp_path.glob("*ca*key*"))  # and its key is not kept at all


def test_a_certificate_that_is_about_to_expire_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = certificates(tmp_path).server.read_bytes()

    monkeypatch.setattr("localcloud.certificates.RENEW_BEFORE", LIFE)

    assert certificates(tmp_path).server.read_bytes() != before


def test_another_ca_or_version_makes_another_base_image(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("one")
    other.write_text("other")

    assert recipe_digest("12", one) == recipe_digest("12", one)
    assert (
        len({recipe_digest("12", one), recipe_digest("12", other), recipe_digest("13", one)}) == 3
    )


@pytest.mark.parametrize(
    ("setting", "versions"), [("", ["12"]), ("13", ["13"]), ("12, 13", ["12", "13"])]
)
def test_the_base_images_that_are_asked_for_are_found_in_the_cache(
    tmp_path: Path, setting: str, versions: list[str]
) -> None:
    ca = tmp_path / "ca"
    ca.touch()
    for version in ("12", "13"):
        place = tmp_path / recipe_digest(version, ca)[:16]
        place.mkdir()
        (place / "image.json").write_text('{"built": "2026-11-28T00:00:00+00:00"}')

    found = base_images(tmp_path, ca, print, {VARIABLE: setting})

    assert [image.name.split("-amd64-20261128-")[0] for image in found] == [
        f"debian-{version}" for version in versions
    ]


def test_a_base_image_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="RAYKILN_BASES: there is no base image '11'") as refusal:
        base_images(tmp_path, tmp_path, print, {VARIABLE: "12,11"})

    assert refusal.value.hint == "give some of 12,13, separated by commas"


@pytest.mark.parametrize(
    ("address", "gateway"), [("10.77.3.4", "10.77.0.1"), ("172.31.9.9", "172.31.0.1")]
)
def test_each_range_has_its_router(address: str, gateway: str) -> None:
    assert gateway_of(address) == gateway


def test_an_address_outside_the_ranges_is_refused() -> None:
    with pytest.raises(ValueError, match=r"192\.0\.2\.1 is in none of"):
        gateway_of("192.0.2.1")


def test_on_version_2_each_limit_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids")
    (tmp_path / "rk-1").mkdir()
    (tmp_path / "rk-1" / "cgroup.controllers").write_text("cpu memory pids")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)

    group = Group("rk-1", "i-1")
    group.make(Limits(cpus=1.5, memory_bytes=1024, weight=6))

    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    machine = tmp_path / "rk-1" / "i-1"
    assert (machine / "cpu.max").read_text() == "150000 100000"
    assert (machine / "memory.max").read_text() == "1024"
    assert (machine / "cpu.weight").read_text() == "6"
    group.weigh(EVEN)
    assert (machine / "cpu.weight").read_text() == "100"


def test_on_version_1_each_controller_has_its_hierarchy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("systemd", "memory", "cpu"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)

    Group("rk-1", "i-1").make(Limits(cpus=2, memory_bytes=2048))

    memory = tmp_path / "memory" / "rk-1" / "i-1" / "memory.limit_in_bytes"
    cpu = tmp_path / "cpu" / "rk-1" / "i-1"
    assert (memory.read_text(), (cpu / "cpu.cfs_quota_us").read_text()) == ("2048", "200000")
    assert (cpu / "cpu.shares").read_text() == "1024"
    assert (tmp_path / "systemd" / "rk-1" / "i-1").is_dir()


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """Images over a base of one file, and a machine i-1 that wrote another."""
    (tmp_path / "base").mkdir()
    (tmp_path / "machines").mkdir()
    made = Images(tmp_path / "images", tmp_path / "machines")
    made.add_base("ami-base", tmp_path / "base")
    made.prepare("i-1", "ami-base")
    (tmp_path / "machines" / "i-1" / "upper" / "baked").write_text("baked")
    return made


def layers(images: Images) -> list[Path]:
    return sorted((images.folder / "layers").iterdir())


def test_an_image_has_what_the_machine_wrote_and_the_machine_a_new_layer(
    images: Images,
) -> None:
    images.capture("i-1", "ami-1")
    images.prepare("i-2", "ami-1")

    (layer,) = layers(images)
    assert (layer / "baked").read_text() == "baked"
    assert list((images.machines / "i-1" / "upper").iterdir()) == []
    assert str(layer) in (images.machines / "i-2" / "layers").read_text()


def test_a_layer_is_removed_with_its_last_user(images: Images) -> None:
    images.capture("i-1", "ami-1")
    images.prepare("i-2", "ami-1")

    images.forget("ami-1")
    images.destroy("i-1")
    assert len(layers(images)) == 1
    images.destroy("i-2")

    assert layers(images) == []


def test_a_machine_of_a_deleted_image_is_an_error(images: Images) -> None:
    with pytest.raises(FileNotFoundError):
        images.prepare("i-3", "ami-gone")
