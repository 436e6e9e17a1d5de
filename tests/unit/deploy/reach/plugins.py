"""A session-manager-plugin for tests: a script that says and does what AWS's does."""

import sys
from pathlib import Path

# It forwards to no host: it answers each connection with the id of its session's instance.
PLUGIN = """#!{python}
import json, os, signal, socket, sys
if sys.argv[1:] == ["--version"]:
    print("{version}")
    sys.exit()
name, region, operation, profile, parameters, endpoint = sys.argv[1:]
session = json.loads(os.environ[name])
asked = json.loads(parameters)
with open({record!r}, "a") as record:
    record.write(json.dumps([region, operation, asked, session, " ".join(sys.argv)]) + "\\n")
if "{fails}":
    print("\\nCannot perform start session: {fails}")
    sys.exit()
signal.signal(signal.SIGINT, lambda *_: sys.exit())
listener = socket.create_server(("localhost", 0))
print(f"\\nStarting session with SessionId: {{session['SessionId']}}")
port = listener.getsockname()[1]
print(f"Port {{port}} opened for sessionId {{session['SessionId']}}.")
print("Waiting for connections...", flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(asked["Target"].encode())
    connection.close()
"""


def install_plugin(folder: Path, *, version: str = "1.2.764.0", fails: str = "") -> Path:
    """Put the plugin into a folder for PATH; return the file where it records its calls."""
    folder.mkdir(exist_ok=True)
    record = folder / "calls"
    plugin = folder / "session-manager-plugin"
    plugin.write_text(
        PLUGIN.format(python=sys.executable, version=version, fails=fails, record=str(record))
    )
    plugin.chmod(0o755)
    return record
