"""Run a command as an operator inside the VPC: its network, its resolver, its CA, its credentials.

The command finds AWS at AWS's names and needs no setting of its own; neither it nor what it runs
knows that it is not AWS. Proxies and the caller's own AWS settings stay outside.
"""

import os
from collections.abc import Mapping

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

# A mount namespace of its own, in which /etc/resolv.conf and /etc/nsswitch.conf are the VPC's.
ENTER = """
mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf || exit 1
shift 2
exec "$@"
"""


def is_inside(place: Paths | None = None) -> bool:
    """Say whether this process runs inside the VPC of the local cloud."""
    return network.is_inside((place or paths()).namespace)


def operator_command(argv: list[str]) -> list[str]:
    """Return a command that runs ``argv`` as the operator inside the VPC, in the same folder."""
    place = paths()
    removed = [word for name in REMOVED for word in ("-u", name)]
    settings = [f"{name}={value}" for name, value in environment(place).items()]
    files = [str(place.run / "resolv.conf"), str(place.run / "nsswitch.conf")]
    inside = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", ENTER, "sh", *files]
    entered = ["nsenter", f"--net={place.namespace}", *inside]
    return [*entered, "env", *removed, *settings, *argv]


def environment(place: Paths) -> Mapping[str, str]:
    """Return what tells every AWS client, written in any language, whom to trust and who it is."""
    return {
        "AWS_CA_BUNDLE": str(place.ca),
        "SSL_CERT_FILE": str(place.ca),
        "AWS_SHARED_CREDENTIALS_FILE": str(place.credentials),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "RAYKILN_HOME": str(place.home),
        "RAYKILN_CACHE": str(place.cache),
        "RAYKILN_INSIDE": place.name,
    }


def write_files(place: Paths) -> None:
    """Write what the session's mount namespace shows in /etc."""
    (place.run / "resolv.conf").write_text(f"search ec2.internal\nnameserver {RESOLVER}\n")
    (place.run / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
