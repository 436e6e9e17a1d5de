"""A real redis-server behind each ElastiCache replication group, on its own host. No AWS.

It presents the local cloud's certificate, which clients trust. Its data is in memory and is lost
with it, as on an ElastiCache node that is replaced. See redis.io/docs, TLS and ACL.
"""

import subprocess
from pathlib import Path

from localcloud.certificates import Certificates
from localcloud.network import Network
from localcloud.patches.elasticache import StorePlan, mark_available, plans
from localcloud.paths import namespace_path


class Stores:
    """Keeps a redis-server running for every replication group."""

    def __init__(self, network: Network, folder: Path, certificates: Certificates) -> None:
        self._network, self._folder, self._certificates = network, folder, certificates
        self._running: dict[StorePlan, subprocess.Popen[bytes]] = {}

    def reconcile(self, now: float) -> None:
        """Start new ones, stop deleted ones, restart those that died."""
        desired = set(plans())
        for plan in [*self._running]:
            if plan not in desired or self._running[plan].poll() is not None:
                self._stop(plan)
        for plan in desired - self._running.keys():
            self._running[plan] = self._start(plan)
            mark_available(plan.name)

    def _start(self, plan: StorePlan) -> "subprocess.Popen[bytes]":
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = self._folder / f"{plan.name}.conf"
        settings.touch(mode=0o600)
        settings.write_text("\n".join(self._settings(plan)) + "\n")
        space = self._network.attach(self._host(plan), [plan.address])
        enter = ["nsenter", f"--net={namespace_path(space)}"]
        return subprocess.Popen([*enter, "redis-server", str(settings)], stdout=subprocess.DEVNULL)

    def _settings(self, plan: StorePlan) -> list[str]:
        plain, tls = (0, plan.port) if plan.encrypted else (plan.port, 0)
        return [
            f"bind {plan.address}",
            f"port {plain}",
            f"tls-port {tls}",
            f"tls-cert-file {self._certificates.server}",
            f"tls-key-file {self._certificates.server_key}",
            f"tls-ca-cert-file {self._certificates.ca}",
            "tls-auth-clients no",
            "protected-mode no",  # security groups protect it
            'save ""',
            "daemonize no",
            *([f"requirepass {plan.token}"] if plan.token else []),
        ]

    def _stop(self, plan: StorePlan) -> None:
        process = self._running.pop(plan)
        process.kill()
        process.wait()
        self._network.detach(self._host(plan))
        (self._folder / f"{plan.name}.conf").unlink(missing_ok=True)

    def _host(self, plan: StorePlan) -> str:
        return f"cache-{plan.name[:20]}"
