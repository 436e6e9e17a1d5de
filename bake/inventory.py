"""What is in an image, as the build instance found it (ami-provisioners/inventory.py). No AWS."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Value by name, by part: version by package, state by unit, hash by file.
Parts = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Package:
    """A Debian package, with the source package that it was built from.

    ``source_version`` is empty in inventories from before it was recorded.
    """

    version: str
    architecture: str
    source: str
    source_version: str = ""


@dataclass(frozen=True)
class Inventory:
    """All that an image has.

    ``system`` is of os-release(5): id, version_id, pretty_name. ``python`` has the distributions of
    each environment by its folder, and ``versions`` its Python's; that of the base is ``/usr``.
    ``users``: user id and shell. ``files``: those of no package, with their ``sha256`` and
    ``sha1``. ``settings`` are the kernel's.
    """

    system: Mapping[str, str]
    kernels: tuple[str, ...]
    debian: Mapping[str, Package]
    python: Mapping[str, Mapping[str, str]]
    versions: Mapping[str, str]
    units: Mapping[str, str]
    users: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, str]
    files: Mapping[str, Mapping[str, str]]

    @classmethod
    def parse(cls, text: str) -> "Inventory":
        """Parse it; raises ValueError, TypeError or KeyError for a text that is none."""
        found: dict[str, Any] = json.loads(text)
        return cls(
            system=dict(found["system"]),
            kernels=tuple(found["kernels"]),
            debian={name: Package(*fields) for name, fields in found["debian"].items()},
            python={folder: dict(one["packages"]) for folder, one in found["python"].items()},
            versions={folder: str(one["version"]) for folder, one in found["python"].items()},
            units=dict(found["units"]),
            users={name: tuple(fields) for name, fields in found["users"].items()},
            settings=dict(found["settings"]),
            files={path: dict(hashes) for path, hashes in found["files"].items()},
        )

    @property
    def parts(self) -> Parts:
        """The same, part by part, as two images are compared."""
        return {
            "system": dict(self.system),
            "kernel": dict.fromkeys(self.kernels, "installed"),
            "debian": {name: package.version for name, package in self.debian.items()},
            **{f"python {folder}": dict(found) for folder, found in self.python.items()},
            "unit": dict(self.units),
            "user": {name: " ".join(fields) for name, fields in self.users.items()},
            "setting": dict(self.settings),
            "file": {path: hashes["sha256"] for path, hashes in self.files.items()},
        }


# A value in the old and in the new image; None: it has none.
Change = tuple[str | None, str | None]


def changes(old: Inventory, new: Inventory) -> dict[str, dict[str, Change]]:
    """Return what differs, by part and name; parts without a difference are left out."""
    before, after = old.parts, new.parts
    found = {
        part: _changed(before.get(part, {}), after.get(part, {}))
        for part in dict.fromkeys((*before, *after))
    }
    return {part: changed for part, changed in found.items() if changed}


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, Change]:
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def change_words(part: str, name: str, change: Change) -> str:
    """Return a change as a line; of a file's hash only whether it is another one."""
    old, new = change
    if part == "file" and old and new:
        return f"file {name}: changed"
    if part == "file":
        return f"file {name}: {'removed' if old else 'added'}"
    return f"{part} {name}: {old or 'none'} → {new or 'none'}"
