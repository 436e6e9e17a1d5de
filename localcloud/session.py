"""Run as an operator of the local cloud: outside of its VPC, or inside as on a VPN.

A process in either place finds AWS at AWS's names and needs no settings; neither it nor its
children know that it is not AWS. Proxies and the caller's own AWS settings stay behind. Outside it
has no route into the VPC, and does not resolve its names.
``python -m localcloud.session [--vpc] COMMAND`` runs a command outside, or inside.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from common.checkout import REPOSITORY
from common.errors import Refused
from localcloud import network
from localcloud.account import ACCOUNT
from localcloud.network import PUBLIC_RESOLVER, RESOLVER
from localcloud.paths import Paths, paths
from localcloud.processes import server_of

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

INSIDE = "--vpc"
# In its own mount namespace: /etc/resolv.conf and /etc/nsswitch.conf are those of its network.
BIND = """
mount --make-rslave / &&
mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf
"""


def is_inside(place: Paths | None = None) -> bool:
    """Say whether this process runs inside the VPC of the local cloud."""
    return network.is_inside((place or paths()).namespace)


def is_operator(place: Paths | None = None) -> bool:
    """Say whether this process finds the local cloud, inside or outside of its VPC."""
    place = place or paths()
    return is_inside(place) or network.is_inside(place.operator)


def enter(*, inside: bool = False, account: str = ACCOUNT) -> None:
    """Make this process, and all that it starts from now on, an operator of the local cloud.

    It acts in the account, by the profile of its name. Raises Refused when it is not up, or when
    this user may not enter it.
    """
    place = paths()
    if place.run.exists() and not server_of(place):
        raise Refused(
            f"the local cloud is down: its server does not run any more; see {place.log}",
            hint="./run.sh cloud.up starts it anew, without its machines",
        )
    try:
        if inside:
            join(place)
        else:
            _join(place.operator, place.run / "operator-resolv.conf", place)
    except FileNotFoundError as error:
        raise Refused("the local cloud is not up", hint="./run.sh cloud.up") from error
    except PermissionError as error:
        raise Refused("only root may enter the local cloud", hint="run it as root") from error
    for name in REMOVED:
        os.environ.pop(name, None)
    os.environ.update(environment(place))
    if account != ACCOUNT:
        os.environ["AWS_PROFILE"] = account


def join(place: Paths) -> None:
    """Put this process into the VPC's network, with its resolver, for good; raises OSError."""
    _join(place.namespace, place.run / "resolv.conf", place)


def _join(namespace: Path, resolver: Path, place: Paths) -> None:
    network.enter(namespace)
    files = [str(resolver), str(place.run / "nsswitch.conf")]
    subprocess.run(["sh", "-c", BIND, "sh", *files], check=True)


def operator_command(argv: list[str], *, inside: bool = False) -> list[str]:
    """Return a command that runs ``argv`` as an operator of the local cloud, in the same folder."""
    where = [INSIDE] if inside else []
    return [sys.executable, "-m", "localcloud.session", *where, *argv]


def environment(place: Paths) -> Mapping[str, str]:
    """Return the variables that give AWS clients, in any language, their CA and credentials."""
    return {
        "AWS_CA_BUNDLE": str(place.ca),
        "SSL_CERT_FILE": str(place.ca),
        "AWS_SHARED_CREDENTIALS_FILE": str(place.credentials),
        "AWS_CONFIG_FILE": os.devnull,
        "PATH": f"{place.tools}:{os.environ.get('PATH', os.defpath)}",
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
    (place.run / "operator-resolv.conf").write_text(f"nameserver {PUBLIC_RESOLVER}\n")
    _write_plugin(place)
    (place.run / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{place.container_storage}"\n'
        f'runroot = "{place.run / "operator"}"\n'
    )
    (place.run / "auth.json").touch(mode=0o600)
    (place.run / "auth.json").write_text("{}\n")
    (place.run / "registries.conf").write_text('unqualified-search-registries = ["localhost"]\n')
    (place.run / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")


def _write_plugin(place: Paths) -> None:
    """Put the stand-in for AWS's plugin where an operator's PATH has it."""
    place.tools.mkdir(exist_ok=True)
    plugin = place.tools / "session-manager-plugin"
    plugin.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(REPOSITORY))} exec "
        f'{shlex.quote(sys.executable)} -m localcloud.session_plugin "$@"\n'
    )
    plugin.chmod(0o755)


def main(arguments: list[str]) -> None:
    """Become an operator, and run the command."""
    inside = arguments[:1] == [INSIDE]
    enter(inside=inside)
    command = arguments[int(inside) :]
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
