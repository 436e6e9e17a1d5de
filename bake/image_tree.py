"""Take the file tree of an image, on a fresh instance of it. Changes AWS (EC2)."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bake.context import BakeContext
from bake.fresh_instance import InstanceSpec, SshAccess, fresh_instance
from bake.owner import this_process
from bake.ssh import as_root
from bake.subnet import resolve_subnet
from bake.tree import Tree, parse_tree
from bake.wanted import WantedImage
from common.errors import PipelineError
from common.progress import Say

SCRIPT = Path(__file__).with_name("tree_script.py")
# All of a volume is read, which on AWS comes from the snapshot.
TREE_SECONDS = 1800


@dataclass(frozen=True)
class TreeOf:
    """Which image's tree to take; ``file`` is where it is kept."""

    image: WantedImage
    ami_id: str
    file: Path


def take_tree(context: BakeContext, what: TreeOf, progress: Say) -> Tree:
    """Boot an instance of an image, take its tree, and terminate the instance.

    Raises PipelineError where that fails.
    """
    settings = context.environment.image_named(what.image.name)
    with tempfile.TemporaryDirectory(prefix="raykiln-") as scratch:
        instance = InstanceSpec(
            environment=context.environment,
            settings=settings,
            subnet=resolve_subnet(context.clients, settings, what.image.place),
            ami_id=what.ami_id,
            name=f"raykiln-tree-{what.image.slug}-{context.now():%Y%m%d%H%M%S}",
            owner=this_process(),
            folder=Path(scratch),
        )
        with fresh_instance(
            context.clients,
            instance,
            clock=context.clock,
            is_cancelled=lambda: False,
            progress=progress,
        ) as access:
            progress(f"reading the files of {what.ami_id}")
            what.file.write_text(_asked(access))
    return parse_tree(what.file.read_text())


def _asked(access: SshAccess) -> str:
    """Return what the script prints there."""
    try:
        return subprocess.run(
            as_root(access, "python3", "-I", "-"),
            input=SCRIPT.read_text(),
            capture_output=True,
            text=True,
            check=True,
            timeout=TREE_SECONDS,
        ).stdout
    except subprocess.TimeoutExpired as error:
        raise PipelineError(
            f"the files of {access.instance_id} were not read within {TREE_SECONDS} s",
            hint="run it again: what was read once is in the volume",
        ) from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()[-1:] or [f"exit code {error.returncode}"]
        raise PipelineError(
            f"the files of {access.instance_id} could not be read: {said[0]}",
            hint="the script runs as root by the base image's python3 and sudo",
        ) from error
