"""Run as an operator inside the VPC: its network, its resolver, its CA, its credentials.

A process inside finds AWS at AWS's names and needs no settings; neither it nor its children know
that it is not AWS. Proxies and the caller's own AWS settings stay outside.
``python -m localcloud.session COMMAND`` runs a command inside.
"""

import os
import subprocess
import sys
from collections.abc import Mapping

from common.errors import Refused
from localcloud import network
from localcloud.network import RESOLVER
from localcloud.paths import Paths, paths

REMOVED = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)

# In its own mount namespace: /etc/resolv.conf and /etc/nsswitch.conf are the VPC's.
BIND = """
mount --make-rslave / &&
mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf
"""


def is_inside(place: Paths | None = None) -> bool:
    """Say whether this process runs inside the VPC of the local cloud."""
    return network.is_inside((place or paths()).namespace)


def enter() -> None:
    """Put this process, and all that it starts from now on, inside the VPC of the local cloud.

    Raises Refused when it is not up, or when this user may not enter it.
    """
    place = paths()
    try:
        join(place)
    except FileNotFoundError as error:
        raise Refused("the local cloud is not up", hint="./run.sh cloud.up") from error
    except PermissionError as error:
        raise Refused("only root may enter the local cloud", hint="run it as root") from error
    for name in REMOVED:
        os.environ.pop(name, None)
    os.environ.update(environment(place))


def join(place: Paths) -> None:
    """Put this process into the VPC's network, with its resolver, for good; raises OSError."""
    network.enter(place.namespace)
    files = [str(place.run / "resolv.conf"), str(place.run / "nsswitch.conf")]
    subprocess.run(["sh", "-c", BIND, "sh", *files], check=True)


def operator_command(argv: list[str]) -> list[str]:
    """Return a command that runs ``argv`` inside the VPC of the local cloud, in the same folder."""
    return [sys.executable, "-m", "localcloud.session", *argv]


def environment(place: Paths) -> Mapping[str, str]:
    """Return the variables that give AWS clients, in any language, their CA and credentials."""
    return {
        "AWS_CA_BUNDLE": str(place.ca),
        "SSL_CERT_FILE": str(place.ca),
        "AWS_SHARED_CREDENTIALS_FILE": str(place.credentials),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "RAYKILN_HOME": str(place.home),
        "RAYKILN_CACHE": str(place.cache),
        "RAYKILN_INSIDE": place.name,
        **container_tools(place),
    }


def container_tools(place: Paths) -> Mapping[str, str]:
    """Return the variables that make Buildah and Podman use this cloud's storage, and build with
    what a container may do: containers-storage.conf(5), buildah-build(1).
    """
    return {
        "BUILDAH_ISOLATION": "chroot",
        "CONTAINERS_STORAGE_CONF": str(place.run / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(place.run / "registries.conf"),
        "REGISTRY_AUTH_FILE": str(place.run / "auth.json"),
    }


def write_files(place: Paths) -> None:
    """Write what the session's mount namespace shows in /etc."""
    (place.run / "resolv.conf").write_text(f"search ec2.internal\nnameserver {RESOLVER}\n")
    (place.run / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{place.container_storage}"\n'
        f'runroot = "{place.run / "operator"}"\n'
    )
    (place.run / "auth.json").touch(mode=0o600)
    (place.run / "auth.json").write_text("{}\n")
    (place.run / "registries.conf").write_text('unqualified-search-registries = ["localhost"]\n')
    (place.run / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")


if __name__ == "__main__":
    enter()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
