"""Where a local cloud may be: its folders, its mounts, and a server that is gone. No root."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

import localcloud.paths
from common.errors import Refused
from localcloud import images, places, session
from localcloud.paths import Paths, paths


def at(folder: Path) -> Paths:
    return paths({"RAYKILN_HOME": str(folder), "RAYKILN_CACHE": str(folder / "cache")})


def test_folders_that_can_be_written_are_made(tmp_path: Path) -> None:
    place = at(tmp_path / "new" / "home")

    places.check_places(place)

    assert place.home.is_dir()
    assert place.cache.is_dir()
    assert [path.name for path in place.home.iterdir()] == ["cache"]


@pytest.mark.parametrize(("name", "odd"), [("a:home", "':'"), ("a\nhome", r"'\n'")])
def test_a_folder_with_a_colon_or_a_line_break_in_its_name_is_refused(
    tmp_path: Path, name: str, odd: str
) -> None:
    with pytest.raises(Refused) as refused:
        places.check_places(at(tmp_path / name))

    assert not (tmp_path / name).exists()
    assert refused.value.message.endswith(f"cannot be in a folder whose name has {odd}")
    assert "\n" not in refused.value.message
    assert "RAYKILN_HOME" in refused.value.hint


@pytest.fixture
def linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A cloud in folders that tools are not given by their names."""
    monkeypatch.setattr(localcloud.paths, "LINKS", tmp_path / "run")
    (tmp_path / "run").mkdir()
    place = at(tmp_path / "a home, of 'mine' #1")
    places.check_places(place)
    return place


def test_tools_are_given_a_plain_name_of_a_folder_with_spaces_and_quotes(linked: Paths) -> None:
    places.make_links(linked)

    given = (linked.run, linked.machines, linked.images, linked.tasks, linked.ca)
    links = linked.home.parent / "run"
    home, cache = links / f"{linked.name}-home", links / f"{linked.name}-cache"
    assert given == (
        *(home / "run", home / "machines", home / "images", home / "tasks"),
        cache / "ca/ca.crt",
    )
    assert (home.readlink(), cache.readlink()) == (linked.home, linked.cache)
    assert (linked.log, linked.lock) == (linked.home / "server.log", linked.home / "lock")


def test_links_are_made_again_and_removed_and_their_folders_stay(linked: Paths) -> None:
    places.make_links(linked)
    places.make_links(linked)

    places.remove_links(linked)
    places.remove_links(linked)

    assert not any(link.is_symlink() for link in linked.links)
    assert linked.cache.is_dir()


@pytest.mark.parametrize("length", [60, 61])
def test_a_long_name_has_a_link_since_sockets_have_only_short_ones(length: int) -> None:
    home = Path("/" + "h" * (length - 1))

    place = paths({"RAYKILN_HOME": str(home), "RAYKILN_CACHE": "/cache"})

    expected = [] if length == 60 else [(Path(f"/run/{place.name}-home"), home)]
    assert list(place.links.items()) == expected
    assert len(str(place.run / "balancers/nlb-12345678.sock.4194304.tmp")) <= 107


def test_mounts_of_a_cloud_are_found_behind_its_links(
    linked: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel has the folders themselves: proc_pid_mounts(5)."""
    places.make_links(linked)
    table = tmp_path / "mounts"
    own = linked.home / "machines/i-1/root"
    written = str(own).replace(" ", r"\040").replace("#", r"\043")
    table.write_text(f"overlay {written} overlay rw 0 0\n")
    monkeypatch.setattr(images, "MOUNTS", table)

    assert places.own_mounts(linked) == [own]


def test_a_file_in_the_place_of_the_home_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Refused, match="cannot be written") as refused:
            places.check_places(at(home))
        assert "\n" not in refused.value.message


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(Refused, match=r"/proc/home cannot be written"):
        places.check_places(at(Path("/proc/home")))


@pytest.mark.parametrize(
    ("full", "variable", "least"), [("home", "RAYKILN_HOME", 4), ("cache", "RAYKILN_CACHE", 1)]
)
def test_a_disk_without_room_is_refused_with_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str, variable: str, least: int
) -> None:
    place = Paths(tmp_path / "home", tmp_path / "cache")
    free = {place.home: 5 * 2**30, place.cache: 2 * 2**30, tmp_path / full: 700 * 2**20}
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=free[folder]))

    with pytest.raises(Refused) as refused:
        places.check_space(place)

    assert refused.value.message == (
        f"{tmp_path / full} has 0.7 GiB free, and the local cloud needs {least}"
    )
    assert refused.value.hint == f"free some, or set {variable} to a folder on another disk"


def test_mounts_of_others_in_the_home_are_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    place = at(tmp_path)
    own = [place.machines / "i-1/root", place.run / "trial/root"]
    theirs = [tmp_path, place.cache, tmp_path / "machines-of-theirs"]
    table.write_text("".join(f"overlay {point} overlay rw 0 0\n" for point in [*own, *theirs]))
    monkeypatch.setattr(images, "MOUNTS", table)

    assert set(places.own_mounts(place)) == set(own)


def test_a_mount_point_with_spaces_is_found(tmp_path: Path) -> None:
    """proc_pid_mounts(5): a space is written as \\040."""
    line = r"overlay /var/a\040home\134x/root overlay rw 0 0"

    assert images.mount_point(line) == r"/var/a home\x/root"


def test_a_folder_is_removed_only_if_it_is_empty_and_no_mount_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, empty, mounted = (tmp_path / name for name in ("full", "empty", "mounted"))
    (full / "kept").mkdir(parents=True)
    empty.mkdir()
    mounted.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda folder: folder == mounted)

    for folder in (full, empty, mounted):
        places.remove_if_empty(folder)

    assert {path.name for path in tmp_path.iterdir()} == {"full", "mounted"}


def test_a_cloud_whose_server_is_gone_is_said_to_be_down(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home")  # with a name short enough to have no link
    monkeypatch.setenv("RAYKILN_HOME", str(home))
    (home / "run").mkdir()
    (home / "run" / "server.pid").write_text("999999999\n")

    with pytest.raises(Refused, match="the local cloud is down: its server does not run"):
        session.enter()
