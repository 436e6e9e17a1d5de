"""The software in an image, kept in the image's tags. No AWS.

An AMI outlives the machine that baked it, and without launching it a plan can read only its tags.
So the build's software report is stored there: as JSON, compressed, in base64, split to the length
of a tag. A resource has at most 50 tags, with values of at most 256 characters
(docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html, tag restrictions).
"""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

# Version by package, by kind of package: debian, python.
Software = dict[str, dict[str, str]]

KEY = "raykiln:software."
KINDS = ("debian", "python")
LENGTH = 256
AT_MOST = 33  # tags; the rest of the 50 are for other uses


@dataclass(frozen=True)
class Report:
    """A build's software.json: the packages, Python's version, and what the GPU's driver said."""

    software: Software
    python: str
    gpu: str

    @classmethod
    def parse(cls, text: str) -> "Report":
        """Parse the file's content."""
        found = json.loads(text)
        software = {kind: dict(found[kind]) for kind in KINDS}
        return cls(software, found["python_version"], found["gpu"]["words"])


def software_tags(software: Software) -> dict[str, str]:
    """Return the tags that hold the software; empty when it does not fit."""
    packed = zlib.compress(json.dumps(software, sort_keys=True).encode(), level=9)
    text = base64.b64encode(packed).decode()
    pieces = [text[start : start + LENGTH] for start in range(0, len(text), LENGTH)]
    if len(pieces) > AT_MOST:
        return {}
    return {f"{KEY}{number:02}": piece for number, piece in enumerate(pieces)}


def tagged_software(tags: Mapping[str, str]) -> Software | None:
    """Return the software in an image's tags; None when they hold none that can be decoded."""
    text = "".join(tags[key] for key in sorted(tags) if key.startswith(KEY))
    try:
        found: Software = json.loads(zlib.decompress(base64.b64decode(text)))
    except (ValueError, zlib.error):
        return None
    return found


def software_changes(old: Software, new: Software) -> tuple[str, ...]:
    """Return a line for each package that differs; the version of an absent one is ``none``."""
    return tuple(
        f"{kind} {name}: {old[kind].get(name, 'none')} → {new[kind].get(name, 'none')}"
        for kind in KINDS
        for name in sorted(old[kind].keys() | new[kind].keys())
        if old[kind].get(name) != new[kind].get(name)
    )
