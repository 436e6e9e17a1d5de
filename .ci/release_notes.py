"""Print the notes of a release: CHANGELOG.md's section of the version that a tag names.

``release_notes.py v1.2.3``, in the root of a checkout. Fails when pyproject.toml has another
version, or when the changelog has no such section or nothing in it.
"""

import re
import sys
import tomllib
from pathlib import Path


def project_version(pyproject: str) -> str:
    """Return the version that pyproject.toml has."""
    return str(tomllib.loads(pyproject)["project"]["version"])


def section(changelog: str, version: str) -> str:
    """Return what stands below the version's heading (``## 1.2.3``), or nothing."""
    heading = rf"^## {re.escape(version)}(?: [^\n]*)?\n"
    found = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def release_notes(tag: str, pyproject: str, changelog: str) -> str:
    """Return the notes of a tag's release; raises SystemExit with the reason why there are none."""
    version = project_version(pyproject)
    if tag != f"v{version}":
        raise SystemExit(f"the tag is {tag}, but pyproject.toml has version {version}")
    notes = section(changelog, version)
    if not notes:
        raise SystemExit(f"CHANGELOG.md says nothing of {version}: give it a section ## {version}")
    return notes


if __name__ == "__main__":
    files = (Path(name).read_text("utf-8") for name in ("pyproject.toml", "CHANGELOG.md"))
    print(release_notes(sys.argv[1], *files))
