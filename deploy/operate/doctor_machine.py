"""What `invoke doctor` sees of the machine that it runs on: tools, disk, names. No AWS calls."""

import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ProxyConnectionError, SSLError

from bake.packer import NEEDS_PLUGINS
from bake.preparation import OLD_PACKER
from common.environment import Environment
from deploy.operate.diagnosis import Diagnosis, State
from deploy.reach.plugin import PLUGIN, NotReached, find_plugin

OLDEST_PACKER = (1, 6, 6)  # required_version in packer/locals.pkr.hcl
AMAZON = re.compile(r"github\.com/hashicorp/amazon\S*?_v(\d+)\.(\d+)\.(\d+)")
PLUGIN_VERSIONS = ((1, 3, 1), (2, 0, 0))  # packer/current/plugins.pkr.hcl: from, below
# A bake keeps the wheels of Ray and its dependencies, about 1 GB for each image's requirements.
LEAST_FREE, ENOUGH_FREE = 1, 5  # GiB
BLOCKED = "open port 443 to it, or create an endpoint of the VPC for this service"
UNREACHED = (
    (ProxyConnectionError, "let the proxy of HTTPS_PROXY connect to it, or name it in NO_PROXY"),
    (
        SSLError,
        "name the CA that signs for it, as of a proxy that opens TLS, in AWS_CA_BUNDLE",
    ),
)
PLUGIN_USES = "head.shell, and from outside of the VPC deploy, verify, job and connect, need it"


def packer(environment: Environment) -> Iterator[Diagnosis]:
    """Look for Packer and, from 1.7 on, its plugin for Amazon; an older one must be allowed."""
    said = _output("packer", "version")
    words = re.search(r"v(\d+)\.(\d+)\.(\d+)", said or "")
    if not words:
        hint = "./run.sh installs it; or: https://developer.hashicorp.com/packer/install"
        yield Diagnosis("Packer", "fail", "it is not installed, or does not run", hint)
        return
    version = tuple(map(int, words.groups()))
    shown = ".".join(map(str, version))
    if version < OLDEST_PACKER:
        yield Diagnosis("Packer", "fail", f"version {shown}", "install 1.6.6 or later")
        return
    if version < NEEDS_PLUGINS and not environment.account.old_packer:
        seen = f"version {shown} tags images once they exist, which the bake role may not"
        yield Diagnosis("Packer", "fail", seen, OLD_PACKER)
        return
    yield Diagnosis("Packer", "pass", f"version {shown}")
    if version >= NEEDS_PLUGINS:
        yield _plugin(_output("packer", "plugins", "installed") or "")


def _plugin(installed: str) -> Diagnosis:
    """Judge the output of ``packer plugins installed``: a path of each plugin's binary."""
    name, (oldest, below) = "Packer's plugin amazon", PLUGIN_VERSIONS
    found = [tuple(map(int, match.groups())) for match in AMAZON.finditer(installed)]
    if fitting := [version for version in found if oldest <= version < below]:
        return Diagnosis(name, "pass", f"version {'.'.join(map(str, max(fitting)))}")
    hint = "packer init packer/current; without a network: packer plugins install --path"
    seen = f"versions {found} do not fit" if found else "it is not installed"
    return Diagnosis(name, "fail", seen, hint)


def disk(folder: Path) -> Iterator[Diagnosis]:
    """Look for room where bakes keep what they download; leaves nothing there."""
    try:
        place = next(one for one in (folder, *folder.parents) if one.exists())
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free / 2**30
    except OSError as error:
        hint = "set RAYKILN_CACHE to a folder that can be written"
        yield Diagnosis("disk", "fail", f"{folder} cannot be written: {error}", hint)
        return
    state: State = "pass" if free >= ENOUGH_FREE else "warning" if free >= LEAST_FREE else "fail"
    hint = "" if free >= ENOUGH_FREE else "make room, or set RAYKILN_CACHE to a folder with some"
    yield Diagnosis("disk", state, f"{free:.1f} GiB free in {place}", hint)


def session_tools() -> Iterator[Diagnosis]:
    """Look for what sessions need; whether a deploy from here needs one is not looked at."""
    if found := shutil.which("aws"):
        yield Diagnosis("aws", "pass", found)
    else:
        hint = "for head.shell: install the AWS CLI"
        yield Diagnosis("aws", "warning", "it is not installed", hint)
    try:
        yield Diagnosis(PLUGIN, "pass", find_plugin(PLUGIN_USES))
    except NotReached as error:
        yield Diagnosis(PLUGIN, "warning", error.message, error.hint)


def ssh() -> Iterator[Diagnosis]:
    """Look for the SSH client with which images are tested."""
    found = shutil.which("ssh")
    if found:
        yield Diagnosis("ssh", "pass", found)
    else:
        yield Diagnosis("ssh", "fail", "it is not installed", "apt-get install openssh-client")


def stable_name(environment: Environment) -> Iterator[Diagnosis]:
    """Resolve the cluster's name, which clients in its network use."""
    name = environment.head_dns
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except socket.gaierror:
        hint = f"from outside of its VPC: invoke connect --env {environment.name}"
        yield Diagnosis("DNS", "warning", f"{name} does not resolve here", hint)
        return
    shown = ", ".join(sorted({str(address[0]) for *_, address in found}))
    yield Diagnosis("DNS", "pass", f"{name} is {shown}")


def endpoint(service: str, client: Any) -> Diagnosis:
    """Ask a client's endpoint for nothing, the way that its calls go; any answer will do.

    That way is the connection of the client itself, with its proxy and its CAs.
    """
    url = client.meta.endpoint_url
    seen = f"{service} at {urlsplit(url).hostname}"
    try:
        client._endpoint.http_session.send(AWSRequest(method="GET", url=url).prepare())
    except BotoCoreError as error:
        hint = next((hint for kind, hint in UNREACHED if isinstance(error, kind)), BLOCKED)
        return Diagnosis("endpoint", "fail", f"{seen}: {error}", hint)
    return Diagnosis("endpoint", "pass", seen)


def _output(*command: str) -> str | None:
    """Return what a command prints; None when it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
