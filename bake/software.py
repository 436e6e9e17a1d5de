"""What software is in an image, kept in the image's own tags. Pure.

An AMI outlives the machine that baked it, and its tags are all that a plan can see of it without
starting it. So the report that the build wrote goes there: as JSON, compressed, in base64, cut to
what a tag holds. A resource has 50 tags of 256 characters
(docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html, tag restrictions).
"""

import base64
import json
import zlib
from collections.abc import Mapping

# Versions by package, by kind of package: Debian's, Python's.
Software = dict[str, dict[str, str]]

KEY = "raykiln:software."
KINDS = ("debian", "python")
LENGTH = 256
AT_MOST = 36  # tags; the rest are for who reads them


def software_in(report: str) -> Software:
    """Return the packages that a build's software.json names."""
    found = json.loads(report)
    return {kind: dict(found[kind]) for kind in KINDS}


def software_tags(software: Software) -> dict[str, str]:
    """Return the tags that hold it; none when it is too much for them."""
    packed = zlib.compress(json.dumps(software, sort_keys=True).encode(), level=9)
    text = base64.b64encode(packed).decode()
    pieces = [text[start : start + LENGTH] for start in range(0, len(text), LENGTH)]
    if len(pieces) > AT_MOST:
        return {}
    return {f"{KEY}{number:02}": piece for number, piece in enumerate(pieces)}


def tagged_software(tags: Mapping[str, str]) -> Software | None:
    """Return what an image's tags hold; None when they hold nothing that can be read."""
    text = "".join(tags[key] for key in sorted(tags) if key.startswith(KEY))
    try:
        found: Software = json.loads(zlib.decompress(base64.b64decode(text)))
    except (ValueError, zlib.error):
        return None
    return found


def software_changes(old: Software, new: Software) -> tuple[str, ...]:
    """Say which packages differ, by kind and name; a version that is not there is ``none``."""
    return tuple(
        f"{kind} {name}: {old[kind].get(name, 'none')} → {new[kind].get(name, 'none')}"
        for kind in KINDS
        for name in sorted(old[kind].keys() | new[kind].keys())
        if old[kind].get(name) != new[kind].get(name)
    )
