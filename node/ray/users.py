"""The users that run parts of a head, and how a root process starts something as one. No AWS.

The guard is root, without the privileges of root: it may kill, and become another user. A process
of another user can neither read its memory nor its environment, nor stop it (ptrace(2), kill(2)).
"""

import pwd
from typing import Any

RAY = "ray"  # Ray, and with it every job: no metadata service
AUTOSCALER = "ray-autoscaler"  # Ray's autoscaler, which needs the head's role


def as_user(name: str, environment: dict[str, str]) -> dict[str, Any]:
    """Return arguments of ``subprocess.Popen`` for a process of that user.

    Its group is Ray's, so that it may read the token and Ray its logs. An empty name is our own
    user.
    """
    if not name:
        return {"env": environment}
    entry = pwd.getpwnam(name)
    own = {"HOME": entry.pw_dir, "USER": name, "LOGNAME": name, "SHELL": entry.pw_shell}
    return {"env": environment | own, "user": name, "group": RAY, "extra_groups": []}
