"""Write image.json and software.json into a folder. Runs on the build instance."""

import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

from facts import debian_packages, nvidia
from gpu import verdict


def image() -> dict[str, str]:
    """Return what the bake says about this image; its tags say when and from which commit."""
    names = ("role", "digest", "ray_version")
    return {name: os.environ[name.upper()] for name in names}


def python_packages() -> dict[str, str]:
    """Return every distribution in the interpreter's environment with its version."""
    return {found.name: found.version for found in importlib.metadata.distributions()}


def write(path: Path, content: object) -> None:
    """Write JSON that people can read and diff."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    path.chmod(0o644)


def main(folder: Path) -> None:
    """Write both files."""
    what = image()
    write(folder / "image.json", what)
    write(
        folder / "software.json",
        {
            "image": what,
            "debian": debian_packages(),
            "python": python_packages(),
            "python_version": platform.python_version(),
            "gpu": verdict(nvidia()),
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
