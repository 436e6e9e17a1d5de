"""Which environment variables an image may give to Ray and its workers. No AWS.

Everything that runs on a node reads them, Raykiln's own services included, and everyone who may
launch the image. So names that have another meaning there are refused, each with its reason.
"""

import re

OURS = "Raykiln sets it"
CALLS = "Raykiln's own calls of AWS would read it"
PROXIED = "the head lease's and Ray's own calls would go through it; set it in a job's runtime_env"
# The beginnings of names, or whole names, and why no image sets them.
REFUSED = {
    "RAY_": f"{OURS}: Ray's own settings decide how heads and workers find each other",
    "RAYKILN_": OURS,
    "AWS_": CALLS + "; region and credentials are those of the instance and its role",
    "REQUESTS_CA_BUNDLE": CALLS,
    "HTTP_PROXY": PROXIED,
    "HTTPS_PROXY": PROXIED,
    "ALL_PROXY": PROXIED,
    "GRPC_PROXY": PROXIED,
    "PATH": "systemd sets it; start programs by their full path",
    "PYTHONHOME": "Ray's interpreter would not find its modules",
    "PYTHONPATH": f"{OURS}, for Ray's autoscaler; install packages by `requirements`",
    "HOME": "systemd sets it, to the home of the user ray",
    "USER": "systemd sets it, to the user ray",
    "LOGNAME": "systemd sets it, to the user ray",
    "SHELL": "systemd sets it, for the user ray",
    # systemd.exec(5), "Environment variables set or propagated by the service manager".
    "NOTIFY_SOCKET": "systemd sets it",
    "WATCHDOG_": "systemd sets it",
    "LISTEN_": "systemd sets it",
    "INVOCATION_ID": "systemd sets it",
    "JOURNAL_STREAM": "systemd sets it",
    "MAINPID": "systemd sets it",
}
SECRET = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)$", re.I)
AWS_KEY = re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b")
NO_SECRETS = (
    "who may launch the image can read it: fetch secrets at run time, for example from Secrets "
    "Manager with [nodes] policy_arns"
)


def refusal(name: str, value: str) -> str:
    """Return why an image may not set a variable to that value; empty when it may."""
    for refused, reason in REFUSED.items():
        # Proxies are read in lower case too.
        if name.upper() == refused or (refused.endswith("_") and name.startswith(refused)):
            return f"{name}: {reason}"
    if SECRET.search(name) or AWS_KEY.search(value):
        return f"{name}: {NO_SECRETS}"
    return "" if value.isprintable() else f"{name}: one line of printable characters"


def environment_file(variables: dict[str, str]) -> str:
    """Return the variables as systemd.exec(5) reads an EnvironmentFile.

    Within double quotes, it takes away a backslash before ``"``, a backslash, a backtick and ``$``.
    """
    escaped = {name: re.sub(r'(["\\`$])', r"\\\1", value) for name, value in variables.items()}
    return "".join(f'{name}="{value}"\n' for name, value in sorted(escaped.items()))
