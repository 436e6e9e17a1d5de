"""Guard this head: ``python -m node.head.main`` in ray-head.service.

First of all Ray begins to be imported, in a separate process: that takes longest of what a head
does before it may lead. The guard itself (assembly.py), with its AWS clients, is imported beside
it.
"""

import os
from pathlib import Path
from typing import NoReturn

from node.contract import BOOTSTRAP_LOGS, HEAD
from node.identity import Identity
from node.log import EventLog
from node.ray import users
from node.ray.head_process import spawn_launcher

LOG = Path(BOOTSTRAP_LOGS[HEAD])


def main() -> NoReturn:
    """Guard this head until systemd stops it or it has failed for good.

    Exits without waiting for background calls: one may hang, and Ray is dead and the lease
    released by now.
    """
    log = EventLog(file=LOG)
    identity = Identity.read()
    launcher = spawn_launcher(identity, users.RAY)
    from node.head.assembly import guard_head

    code = guard_head(identity, launcher, log)
    log("guard ended", code=code)
    os._exit(code)


if __name__ == "__main__":
    main()
