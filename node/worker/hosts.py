"""Have the head's name resolve to the leader through /etc/hosts. No AWS.

``ray start`` and raylets resolve the head's name, and /etc/hosts comes before DNS, whose changes
take up to a minute. gRPC asks for a name again every 30 s at most, so a raylet that lost its head
usually ends (by itself, or by the watchdog) before it would find the next. The file is written in
place: a rename would need all of /etc to be writable.
"""

from pathlib import Path

HOSTS = Path("/etc/hosts")
MARK = "# raykiln: the head lease says so"


def point_name(name: str, address: str, path: Path = HOSTS) -> bool:
    """Have ``name`` resolve to ``address``; True when that changed the file.

    Our line is the last one and always of the same length, so that one write replaces it: a reader
    sees the old or the new line.
    """
    old = path.read_text(encoding="utf-8")
    kept = [line for line in old.splitlines() if not line.endswith(MARK)]
    new = "\n".join([*kept, f"{address:<15} {name} {MARK}"]) + "\n"
    if new == old:
        return False
    with path.open("r+", encoding="utf-8") as file:
        file.write(new)
        file.truncate()
    return True
