"""Inventories for tests, and images whose files are kept."""

import json
from pathlib import Path
from typing import Any

from bake.image_files import CYCLONEDX, INVENTORY, SPDX, store_files
from common.clients import Clients

SHA256, SHA1 = "a" * 64, "b" * 40


def inventory_json(**changes: Any) -> str:
    """Return what a build instance prints; ``changes`` are its parts."""
    parts = {
        "system": {"id": "debian", "version_id": "12", "pretty_name": "Debian 12 (bookworm)"},
        "kernels": ["6.1.0-41-cloud-amd64"],
        "debian": {"openssl": ["3.0.17-1", "amd64", "openssl"]},
        "python": {
            "/usr": {"version": "3.11.2", "packages": {"six": "1.16.0"}},
            "/opt/ray": {"version": "3.11.2", "packages": {"ray": "2.60.0"}},
        },
        "units": {"ray-head.service": "enabled"},
        "users": {"ray": ["998", "/usr/sbin/nologin"]},
        "settings": {"net.core.somaxconn": "8192"},
        "files": {"/opt/raykiln/node/log.py": {"sha256": SHA256, "sha1": SHA1}},
    }
    return json.dumps(parts | changes)


def keep_inventory(
    clients: Clients, bucket: str, digest: str, ami_id: str, folder: Path, **changes: Any
) -> None:
    """Keep an image's files in a bucket, which is created."""
    (folder / INVENTORY).write_text(inventory_json(**changes))
    for name in (CYCLONEDX, SPDX):
        (folder / name).write_text("{}")
    clients("s3").create_bucket(Bucket=bucket)
    store_files(clients, bucket, digest, ami_id, folder)
