"""Run Packer through python-packer, mended: 1.6.6 to current, directories, Python 3.11, Ctrl-C.

python-packer 0.1.2 sends ``-parallel=true`` (gone since Packer 1.5), reads ``ex.message`` (Python
2), refuses directories, runs Packer on a pty, and leaves it running when interrupted: each override
below says which. No AWS of its own; Packer talks to it.
"""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sh

import packer
from bake.files import TEMPLATE
from common.errors import PipelineError, Refused

PLUGINS = Path("current", "plugins.pkr.hcl")
# The first version that knows required_plugins (Packer's changelog, 1.7.0).
NEEDS_PLUGINS = (1, 7, 0)

OnLine = Callable[[str], None]


class _Lines:
    """Hands whole lines on. An object with ``write``: sh 1.11 asks ``inspect.getargspec`` of a
    function how many arguments it takes, which Python 3.11 no longer has.
    """

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line

    def write(self, chunk: bytes | str) -> None:
        text = chunk.decode("utf-8", "replace") if isinstance(chunk, bytes) else chunk
        for line in text.splitlines():
            self._on_line(line)

    def flush(self) -> None:
        """Nothing is held back."""


class Packer(packer.Packer):  # type: ignore[misc] # python-packer has no types
    """A template folder, the variables for it, and what to do with Packer's lines."""

    def __init__(
        self,
        template: Path,
        *,
        variables: dict[str, object] | None = None,
        var_file: Path | None = None,
        only: list[str] | None = None,
        on_line: OnLine = lambda line: None,
        environ: dict[str, str] | None = None,
    ) -> None:
        # The base class takes files alone; -var wants HCL values: JSON, but for strings.
        probe = next(iter(sorted(template.glob("*.pkr.hcl")))) if template.is_dir() else template
        values = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in (variables or {}).items()
        }
        super().__init__(
            str(probe), only=only, vars=values, var_file=str(var_file) if var_file else None
        )
        self.packerfile = str(template)
        # CHECKPOINT_DISABLE: Packer asks its maker for news otherwise.
        self._quiet = sh.Command(packer.DEFAULT_PACKER_PATH).bake(
            _tty_out=False, _env={**os.environ, "CHECKPOINT_DISABLE": "1", **(environ or {})}
        )
        lines = _Lines(on_line)
        self.packer = self._quiet.bake(_out=lines, _err=lines, _out_bufsize=1, _err_bufsize=1)

    def version(self) -> tuple[int, ...]:
        """Return Packer's version; never through the streaming command, whose output is gone."""
        found = re.search(r"v(\d+)\.(\d+)\.(\d+)", str(self._quiet("version")))
        if not found:
            raise PipelineError("`packer version` does not say its version", hint="install Packer")
        return tuple(int(part) for part in found.groups())

    def init(self) -> None:
        """Install the plugins that the template requires; Packer 1.7 and later."""
        self._quiet.init(self.packerfile)

    def build(self) -> None:
        """Build all, in parallel as is Packer's default.

        Raises sh.ErrorReturnCode when a build fails. When interrupted, Packer first ends what it
        started: sh puts it into a session of its own, where Ctrl-C does not reach it.
        """
        self.packer_cmd = self.packer.build
        self._add_opt("-color=false")
        self._append_base_arguments()
        self._add_opt(self.packerfile)
        run = self.packer_cmd(_bg=True)
        try:
            run.wait()
        except sh.ErrorReturnCode:
            raise
        except BaseException:
            _cancel(run)
            raise

    def validate(self, syntax_only: bool = False) -> str:
        """Return what is wrong with the template, empty when nothing is."""
        self.packer_cmd = self._quiet.validate
        self._add_opt("-syntax-only" if syntax_only else None)
        self._append_base_arguments()
        self._add_opt(self.packerfile)
        try:
            self.packer_cmd()
        except sh.ErrorReturnCode as error:
            output: bytes = error.stdout + error.stderr
            return output.decode("utf-8", "replace").strip()
        return ""


def _cancel(run: Any) -> None:
    """Interrupt Packer's whole group and wait until it has cleaned up.

    The group: its outer process ignores the signal. ``run.process.wait``: ``run.wait`` returns at
    once the second time, and Packer would die half-way.
    """
    os.killpg(run.process.pid, signal.SIGINT)
    run.process.wait()


def lay_template(into: Path, repository: Path) -> Path:
    """Lay the template out for the installed Packer, in ``into``, and return that folder.

    Packer 1.6.6 refuses the plugins block, and later versions need it. Raises Refused when there
    is no Packer.
    """
    into.mkdir(parents=True, exist_ok=True)
    for file in sorted((repository / TEMPLATE).glob("*.pkr.hcl")):
        (into / file.name).symlink_to(file)
    try:
        installed = Packer(into)
    except sh.CommandNotFound as error:
        raise Refused("Packer is not installed", hint="./run.sh installs it") from error
    if installed.version() >= NEEDS_PLUGINS:
        (into / PLUGINS.name).symlink_to(repository / TEMPLATE / PLUGINS)
        installed.init()
    return into
