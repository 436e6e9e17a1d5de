#!/usr/bin/python3
"""A script that no shell runs, after the first."""

import pathlib
import pwd

pathlib.Path("/opt/apps/owner").write_text(f"{pwd.getpwnam('apps').pw_name}\n")
