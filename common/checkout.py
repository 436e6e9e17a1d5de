"""Where this checkout is, and where its commands keep files. No AWS.

Two environment variables change the latter: ``RAYKILN_HOME`` (reports, logs, state of commands) and
``RAYKILN_CACHE`` (what is downloaded or built once and kept: wheels, base images).
"""

import os
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what commands write."""
    return Path(environ.get("RAYKILN_HOME") or REPOSITORY / ".raykiln").absolute()


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what is kept between bakes; by default below ``home``."""
    return Path(environ.get("RAYKILN_CACHE") or home(environ) / "cache").absolute()
