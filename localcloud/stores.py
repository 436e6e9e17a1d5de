"""A real redis-server behind each ElastiCache replication group, on its own host. No AWS.

It presents the local cloud's certificate, which clients trust. Its data is in memory and is lost
with it, as on an ElastiCache node that is replaced. See redis.io/docs, TLS and ACL.
"""

import subprocess
from dataclasses import replace
from pathlib import Path

from localcloud.certificates import Certificates
from localcloud.network import Network
from localcloud.patches.elasticache import StorePlan, mark_available, plans
from localcloud.paths import namespace_path

ANSWERS_SECONDS = 10.0


class Stores:
    """Keeps a redis-server running for every replication group."""

    def __init__(self, network: Network, folder: Path, certificates: Certificates) -> None:
        self._network, self._folder, self._certificates = network, folder, certificates
        self._running: dict[StorePlan, subprocess.Popen[bytes]] = {}

    def reconcile(self, now: float) -> None:
        """Start new ones, stop deleted ones, restart those that died, change passwords."""
        desired = set(plans())
        for plan in [*self._running]:
            if self._running[plan].poll() is not None:
                self._stop(plan)
            elif plan not in desired:
                self._follow(plan, desired)
        for plan in desired - self._running.keys():
            self._running[plan] = self._start(plan)
            mark_available(plan.name)

    def _follow(self, plan: StorePlan, desired: set[StorePlan]) -> None:
        """Change the passwords of one that runs, if nothing else differs; else stop it."""
        for wanted in desired:
            if replace(wanted, tokens=plan.tokens) == plan:
                self._change_passwords(plan, wanted)
                self._running[wanted] = self._running.pop(plan)
                return
        self._stop(plan)

    def _change_passwords(self, plan: StorePlan, wanted: StorePlan) -> None:
        """Have a server that runs accept other passwords; they are in no command line."""
        commands = f"AUTH {plan.tokens[0]}\nACL SETUSER default resetpass {_rules(wanted)}\n"
        enter = self._enter(self._network.space_of(self._host(plan)))
        client = ["redis-cli", "-e", "-h", plan.address, "-p", str(plan.port)]
        client += ["--tls", "--cacert", str(self._certificates.ca)]
        subprocess.run(
            [*enter, *client],
            input=commands.encode(),
            stdout=subprocess.DEVNULL,
            timeout=ANSWERS_SECONDS,
            check=True,
        )

    def _start(self, plan: StorePlan) -> "subprocess.Popen[bytes]":
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = self._folder / f"{plan.name}.conf"
        settings.touch(mode=0o600)
        settings.write_text("\n".join(self._settings(plan)) + "\n")
        space = self._network.attach(self._host(plan), [plan.address])
        enter = self._enter(space)
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
            *([f"user default on ~* &* +@all {_rules(plan)}"] if plan.tokens else []),
        ]

    def _stop(self, plan: StorePlan) -> None:
        process = self._running.pop(plan)
        process.kill()
        process.wait()
        self._network.detach(self._host(plan))
        (self._folder / f"{plan.name}.conf").unlink(missing_ok=True)

    def _enter(self, space: str) -> list[str]:
        return ["nsenter", f"--net={namespace_path(space)}"]

    def _host(self, plan: StorePlan) -> str:
        return f"cache-{plan.name[:20]}"


def _rules(plan: StorePlan) -> str:
    """Return what Redis's ACL calls the passwords: redis.io/docs, ACL SETUSER."""
    return " ".join(f">{token}" for token in plan.tokens)
