"""Run Packer 1.6.6 or later through python-packer, with its defects worked around.

python-packer 0.1.2 passes ``-parallel=true`` (removed in Packer 1.5), reads ``ex.message`` (Python
2), rejects directories, runs Packer on a pty, and leaves it running when interrupted. Each override
below says which of these it is for. Makes no AWS calls itself; Packer does.
"""

import json
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sh

import packer
from bake.cancellation import Cancellation
from bake.files import TEMPLATE
from common.errors import PipelineError, Refused

# Folders of the template, beside the files that all versions share.
CURRENT, OLD = Path("current"), Path("1.6.6")
# The first version that knows required_plugins (Packer's changelog, 1.7.0).
NEEDS_PLUGINS = (1, 7, 0)

OnLine = Callable[[str], None]


class _LineWriter:
    """Calls ``on_line`` with whole lines. It is an object with ``write``, because for a function
    sh 1.11 calls ``inspect.getargspec``, which Python 3.11 no longer has.
    """

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line

    def write(self, chunk: bytes | str) -> None:
        text = chunk.decode("utf-8", "replace") if isinstance(chunk, bytes) else chunk
        for line in text.splitlines():
            self._on_line(line)

    def flush(self) -> None:
        """Do nothing: ``write`` buffers nothing."""


class Packer(packer.Packer):  # type: ignore[misc] # python-packer has no types
    """Packer with a template folder and its variables; ``on_line`` gets each line of output."""

    def __init__(
        self,
        template: Path,
        *,
        variables: dict[str, object] | None = None,
        var_file: Path | None = None,
        on_line: OnLine = lambda line: None,
        environ: dict[str, str] | None = None,
    ) -> None:
        # The base class accepts files only. -var takes HCL values: JSON, except for strings.
        probe = next(iter(sorted(template.glob("*.pkr.hcl")))) if template.is_dir() else template
        values = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in (variables or {}).items()
        }
        super().__init__(str(probe), vars=values, var_file=str(var_file) if var_file else None)
        self.packerfile = str(template)
        # CHECKPOINT_DISABLE: without it Packer asks HashiCorp's servers for new versions.
        self._quiet = sh.Command(packer.DEFAULT_PACKER_PATH).bake(
            _tty_out=False, _env={**os.environ, "CHECKPOINT_DISABLE": "1", **(environ or {})}
        )
        lines = _LineWriter(on_line)
        self.packer = self._quiet.bake(_out=lines, _err=lines, _out_bufsize=1, _err_bufsize=1)

    def version(self) -> tuple[int, ...]:
        """Return Packer's version.

        Uses the quiet command: the streaming one passes its output to ``on_line`` and returns none.
        """
        found = re.search(r"v(\d+)\.(\d+)\.(\d+)", str(self._quiet("version")))
        if not found:
            raise PipelineError("`packer version` does not print a version", hint="install Packer")
        return tuple(int(part) for part in found.groups())

    def init(self) -> None:
        """Install the plugins that the template requires; Packer 1.7 and later.

        Raises PipelineError when it cannot.
        """
        try:
            self._quiet.init(self.packerfile)
        except sh.ErrorReturnCode as error:
            said = (error.stdout + error.stderr).decode("utf-8", "replace").strip()
            raise PipelineError(
                f"packer init could not install the plugins: {said}",
                hint="it needs a way to github.com once; or `packer plugins install` them by hand",
            ) from error

    def build(self, cancellation: Cancellation) -> None:
        """Build the template's source.

        Raises sh.ErrorReturnCode when it fails, and when it is cancelled: Packer then removes
        what it created. sh runs it in a separate session, which Ctrl-C does not reach.
        """
        self.packer_cmd = self.packer.build
        self._add_opt("-color=false")
        self._append_base_arguments()
        self._add_opt(self.packerfile)
        cancellation.check()
        run = self.packer_cmd(_bg=True)
        with cancellation.calling(lambda: _interrupt(run)):
            run.wait()

    def validate(self, syntax_only: bool = False) -> str:
        """Return Packer's errors about the template; empty when it is valid."""
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


def _interrupt(run: Any) -> None:
    """Interrupt Packer's process group, as its outer process ignores the signal."""
    with suppress(ProcessLookupError):
        os.killpg(run.process.pid, signal.SIGINT)


@dataclass(frozen=True)
class Template:
    """The template's files for the installed Packer.

    ``current``: Packer itself requires IMDSv2, tags key pair and security group, and sets the date
    of deprecation.
    """

    folder: Path
    current: bool


def prepare_template(into: Path, repository: Path) -> Template:
    """Link the files for the installed Packer into ``into``; a current one gets its plugin.

    Raises Refused when Packer is not installed, PipelineError when it cannot get the plugin.
    """
    into.mkdir(parents=True, exist_ok=True)
    _link(repository / TEMPLATE, into)
    try:
        installed = Packer(into)
    except sh.CommandNotFound as error:
        raise Refused("Packer is not installed", hint="./run.sh installs it") from error
    current = installed.version() >= NEEDS_PLUGINS
    _link(repository / TEMPLATE / (CURRENT if current else OLD), into)
    if current:
        installed.init()
    return Template(into, current)


def _link(folder: Path, into: Path) -> None:
    for file in sorted(folder.glob("*.pkr.hcl")):
        (into / file.name).symlink_to(file)
