"""A port of an instance is reached through AWS's session-manager-plugin, until the session ends.

All that reaches a cluster without a line into its VPC goes this way.
"""

from contextlib import suppress
from subprocess import TimeoutExpired

from common.errors import Unanswered
from common.waiting import Seen
from deploy.reach.plugin import NotReached, find_plugin
from deploy.reach.port_session import PortSession, open_session
from tests.probes.kit.agents import launch_with_agent
from tests.probes.kit.place import Place, answer_to

SOURCE = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-sessions-start.html"
)
ASSUMED = "SSH answers; the end: done; the plugin exits"
EXITS_WITHIN = 30.0


def probe(place: Place) -> str:
    find_plugin()
    instance, _ = launch_with_agent(place, {})

    def opened() -> Seen[PortSession]:
        try:
            return Seen(open_session(place.clients, instance, 22), "open")
        except (NotReached, Unanswered) as error:  # its agent is not there yet
            return Seen(None, error.message)

    session = place.until("a session", opened, every=5.0)
    place.afterwards("the session", session.close)

    def heard() -> Seen[bool]:
        return Seen(place.hears("localhost", session.port) or None, "silent")

    place.until("SSH through the session", heard)
    ssm = place.clients("ssm")
    end = answer_to(lambda: ssm.terminate_session(SessionId=session.id))
    with suppress(TimeoutExpired):
        session.process.wait(EXITS_WITHIN)
    return f"SSH answers; the end: {end}; the plugin {'runs on' if session.is_open else 'exits'}"
