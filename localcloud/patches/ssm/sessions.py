"""Session Manager's sessions: which are open, for how long, and to which port or command.

Follows "Session Manager" in the Systems Manager user guide: a session ends when it is terminated,
when nothing was sent for 20 minutes ("Specify an idle session timeout value", .../userguide/
session-preferences-timeout.html), and when its target is lost. A lost one says nothing: the
plugin notices by the keepalive of its multiplexer, after 30 s (xtaci/smux, DefaultConfig).
"""

import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple

from moto.ssm.models import ssm_backends

from localcloud import world
from localcloud.account import ACCOUNT, REGION
from localcloud.patches.ssm.targets import is_connected
from localcloud.resolver import SESSIONS_NAME
from localcloud.world import World

IDLE_SECONDS = 20 * 60.0
KEEPALIVE_SECONDS = 30.0


class Starter(NamedTuple):
    """Who starts a session: ARN, and aws:userid."""

    arn: str
    user_id: str


@dataclass
class Session:
    """One session; ``used`` is when something was sent last, ``lost`` when its target was.

    It forwards a port of a host, or runs a command on a terminal.
    """

    id: str
    target: str
    document: str
    starter: Starter
    token: str
    started: float
    used: float
    host: str = ""
    port: int = 0
    command: tuple[str, ...] = ()
    begun: bool = False  # its data channel was opened
    lost: float | None = None
    ended: float | None = None
    reason: str = ""

    @property
    def url(self) -> str:
        """Where its data channel is opened."""
        return f"wss://{SESSIONS_NAME}/v1/data-channel/{self.id}?role=publish_subscribe"

    @property
    def tags(self) -> dict[str, str]:
        """What a policy tells one's own sessions by: .../userguide/
        getting-started-restrict-access-examples.html, "users end only sessions they started".
        """
        return {
            "aws:ssmmessages:session-id": self.starter.user_id,
            "aws:ssmmessages:target-id": self.target,
        }

    def end(self, now: float, reason: str) -> None:
        """End it; its connections are closed."""
        if self.ended is None:
            self.ended, self.reason = now, reason


def sessions_of(backend: Any) -> dict[str, Session]:
    """Return a region's sessions by id; moto's reset forgets them."""
    held: dict[str, Session] = vars(backend).setdefault("port_sessions", {})
    return held


def start(name: str, target: str, document: str, starter: Starter, **what: Any) -> Session:
    """Start a session, whose id begins with a name."""
    now = world.now()
    session = Session(
        id=f"{name}-{secrets.token_hex(9)[:17]}",
        target=target,
        document=document,
        starter=starter,
        token=secrets.token_urlsafe(96),
        started=now,
        used=now,
        **what,
    )
    sessions_of(ssm_backends[ACCOUNT][REGION])[session.id] = session
    return session


def find(session_id: str, token: str) -> Session | None:
    """Return the open session that this token opens."""
    found = sessions_of(ssm_backends[ACCOUNT][REGION]).get(session_id)
    if found is None or found.ended is not None:
        return None
    return found if secrets.compare_digest(found.token, token) else None


def end_old(world: World, now: float) -> None:
    """End the sessions that were idle for too long, or whose target was lost."""
    for session in list(sessions_of(ssm_backends[ACCOUNT][REGION]).values()):
        if session.ended is not None:
            continue
        if not is_connected(world, session.target):
            session.lost = session.lost or now
        if session.lost is not None and now - session.lost >= KEEPALIVE_SECONDS:
            session.end(now, "its target was lost")
        elif now - session.used >= IDLE_SECONDS:
            session.end(now, "the session was idle")
