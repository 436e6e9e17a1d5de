"""Check a person's lock of Python packages: whole, with hashes, and fit for Ray's own. No AWS."""

from collections.abc import Iterable, Iterator
from email.errors import MessageError
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bake.ray_lock import HASH, Pin, Target, logical_lines, pins_for

EXACT = "=="


def lock_mistakes(lock: str, target: Target, rays: Iterable[Pin]) -> Iterator[str]:
    """Yield what is wrong with a lock for an image of that Python, beside Ray's own packages."""
    lines = tuple(logical_lines(lock))
    wrong = [words for line in lines if (words := _line_mistake(line))]
    yield from wrong
    if not lines:
        yield "it holds no package"
    if not wrong:
        yield from _conflicts(pins_for(lock, target), {pin.name: pin.version for pin in rays})


def added_pins(lock: str, target: Target, rays: Iterable[Pin]) -> tuple[Pin, ...]:
    """Return the pins of a lock that Ray's own packages do not include already."""
    known = {pin.name for pin in rays}
    return tuple(pin for pin in pins_for(lock, target) if pin.name not in known)


def unmet_requirements(
    folders: Iterable[Path], pins: Iterable[Pin], target: Target
) -> Iterator[str]:
    """Yield what the wheels in ``folders`` need of packages that the pins do not give.

    As ``pip check`` does, which knows no extras; here before anything is launched.
    """
    versions = {pin.name: pin.version for pin in pins}
    for wheel in sorted(path for folder in folders for path in folder.glob("*.whl")):
        for needed in _needs(wheel, target):
            found = versions.get(canonicalize_name(needed.name))
            if found is None:
                yield f"{wheel.name} needs {needed}, which the lock does not hold"
            elif not needed.specifier.contains(found, prereleases=True):
                yield f"{wheel.name} needs {needed}, but the image has {needed.name} {found}"


def _needs(wheel: Path, target: Target) -> list[Requirement]:
    environment = target.markers() | {"extra": ""}
    try:
        with ZipFile(wheel) as archive:
            (name,) = (
                each
                for each in archive.namelist()
                if each.count("/") == 1 and each.endswith(".dist-info/METADATA")
            )
            metadata, _ = parse_email(archive.read(name))
        needed = [Requirement(line) for line in metadata.get("requires_dist", [])]
    except (BadZipFile, ValueError, MessageError):
        return []  # pip says what is wrong with such a wheel
    return [one for one in needed if not one.marker or one.marker.evaluate(environment)]


def _line_mistake(line: str) -> str:
    """Return what is wrong with one line; empty when nothing is."""
    words = line.partition(" --hash")[0].strip()
    if words.startswith("-"):
        return f"{words}: options belong to pip's configuration; a lock holds packages"
    try:
        requirement = Requirement(words)
    except InvalidRequirement:
        return f"{words} is no requirement, such as name==1.0"
    exact = [one for one in requirement.specifier if one.operator == EXACT and "*" not in str(one)]
    if len(exact) != 1 or len(requirement.specifier) != 1:
        return f"{words}: one version is needed, such as {requirement.name}==1.0"
    if not HASH.search(line):
        return f"{words} has no --hash=sha256:…"
    return ""


def _conflicts(pins: tuple[Pin, ...], rays: dict[str, str]) -> Iterator[str]:
    names = [pin.name for pin in pins]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} is locked more than once for this Python"
    for pin in pins:
        if pin.name in rays and rays[pin.name] != pin.version:
            yield f"{pin.name}=={pin.version}, but Ray's own lock has {rays[pin.name]}"
