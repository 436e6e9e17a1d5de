"""Session Manager's API, for port forwarding.

Follows the Systems Manager API reference: StartSession, TerminateSession, DescribeSessions. The
parameters are those of AWS's own documents (DescribeDocument of AWS-StartPortForwardingSession and
AWS-StartPortForwardingSessionToRemoteHost).
"""

from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.exceptions import SSMException

from localcloud import world
from localcloud.account import ACCOUNT
from localcloud.patches.iam import signatures
from localcloud.patches.iam.principals import find_principal
from localcloud.patches.ssm.sessions import Session, Starter, sessions_of, start
from localcloud.patches.ssm.targets import is_connected
from localcloud.times import naive

TO_INSTANCE = "AWS-StartPortForwardingSession"
TO_HOST = "AWS-StartPortForwardingSessionToRemoteHost"
PARAMETERS = {
    TO_INSTANCE: {"portNumber", "localPortNumber"},
    TO_HOST: {"host", "portNumber", "localPortNumber"},
}


def _start_session(self: Any) -> ActionResult:
    target, document = self._get_param("Target"), self._get_param("DocumentName")
    given = self._get_param("Parameters", {})
    if document not in PARAMETERS:
        known = " and ".join(PARAMETERS)
        raise SSMException("InvalidDocument", f"The local cloud has only {known} for sessions")
    if unknown := given.keys() - PARAMETERS[document]:
        raise SSMException("InvalidParameters", f"{', '.join(sorted(unknown))} is not a parameter")
    if not is_connected(world.current(), target):
        raise SSMException("TargetNotConnected", f"{target} is not connected.")
    port = given.get("portNumber", ["80"])[0]
    host = given.get("host", ["localhost"])[0]
    if not port.isdigit():
        raise SSMException("InvalidParameters", f"portNumber {port} is not a port")
    starter = caller(self)
    name = starter.arn.split(":")[-1].split("/")[-1]
    made = start(name, target, document, starter, host=host, port=int(port))
    found = {"SessionId": made.id, "TokenValue": made.token, "StreamUrl": made.url}
    return ActionResult(found)


def caller(response: Any) -> Starter:
    """Return who starts a session."""
    signed = signatures.read(response.headers.get("Authorization", ""))
    token = response.headers.get("X-Amz-Security-Token")
    who = find_principal(ACCOUNT, signed.key_id, token) if signed else None
    if who is None:
        return Starter(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
    return Starter(who.arn, dict(who.context)["aws:userid"])


def _terminate_session(self: Any) -> ActionResult:
    session_id = self._get_param("SessionId")
    if session := sessions_of(self.ssm_backend).get(session_id):
        session.end(world.now(), "it was terminated")
    return ActionResult({"SessionId": session_id})


def _describe_sessions(self: Any) -> ActionResult:
    active = self._get_param("State") == "Active"
    held = sessions_of(self.ssm_backend).values()
    found = [_shown(one) for one in held if (one.ended is None) is active]
    return ActionResult({"Sessions": found})


def _shown(session: Session) -> dict[str, Any]:
    shown = {
        "SessionId": session.id,
        "Target": session.target,
        "Status": "Connected" if session.ended is None else "Terminated",
        "StartDate": naive(session.started),
        "DocumentName": session.document,
        "Owner": session.starter.arn,
    }
    if session.ended is not None:
        shown |= {"EndDate": naive(session.ended), "Details": session.reason}
    return shown


ACTIONS = {
    "start_session": _start_session,
    "terminate_session": _terminate_session,
    "describe_sessions": _describe_sessions,
}
