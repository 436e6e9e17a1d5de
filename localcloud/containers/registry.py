"""The registry behind ECR's endpoint: docker-registry, on the VPC's loopback. No AWS.

It keeps layers and manifests in the cloud's home. Configuration:
distribution.github.io/distribution/about/configuration/.
"""

import subprocess
from pathlib import Path

LISTENS = "127.0.0.1:5000"
SETTINGS = """\
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
  cache: {blobdescriptor: inmemory}
http:
  addr: %s
  secret: one-process-alone
"""


class Registry:
    """Keeps the registry's process running; it runs inside the VPC's namespace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def reconcile(self, now: float) -> None:
        """Start the registry, also when it died."""
        if self._process is None or self._process.poll() is not None:
            self._start()

    def _start(self) -> None:
        (self._folder / "data").mkdir(parents=True, exist_ok=True)
        settings = self._folder / "config.yml"
        settings.write_text(SETTINGS % (self._folder / "data", LISTENS))
        with (self._folder / "registry.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"OTEL_TRACES_EXPORTER": "none"},
            )
