"""A role that may end the sessions with its own tag ends its own, and no one else's.

Whoever connects to a cluster may end what they have opened, and nothing else.
"""

from botocore.exceptions import ClientError

from common.clients import Clients
from common.errors import Denied
from common.waiting import Seen
from tests.probes.kit.agents import launch_with_agent
from tests.probes.kit.place import Place, code_of
from tests.probes.kit.stacks import role

SOURCE = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "getting-started-restrict-access-examples.html"
)
ASSUMED = "its own: done; another's: AccessDeniedException"
STARTS = {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"}
# As in deploy/account/template.yaml.
ENDS = {
    **{"Effect": "Allow", "Action": "ssm:TerminateSession", "Resource": "*"},
    "Condition": {"StringLike": {"ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}*"}},
}
PORT = {"DocumentName": "AWS-StartPortForwardingSession", "Parameters": {"portNumber": ["22"]}}


def probe(place: Place) -> str:
    user = role({"AWS": {"Ref": "AWS::AccountId"}}, STARTS, ENDS)
    instance, made = launch_with_agent(place, {"User": user})
    arn = place.clients("iam").get_role(RoleName=made["User"])["Role"]["Arn"]

    def started(name: str) -> Seen[tuple[Clients, str]]:
        try:
            clients = place.clients.as_role(arn, place.clients.region, name)
            session = clients("ssm").start_session(Target=instance, **PORT)["SessionId"]
        except (ClientError, Denied) as error:  # neither role nor agent are there at once
            return Seen(None, str(error))
        return Seen((clients, session), "open")

    mine, own = place.until("a session", lambda: started("one"), every=5.0)
    theirs, others = place.until("another session", lambda: started("another"), every=5.0)
    end = mine("ssm").terminate_session
    place.afterwards("a session", lambda: theirs("ssm").terminate_session(SessionId=others))
    other = code_of(lambda: end(SessionId=others))
    return f"its own: {code_of(lambda: end(SessionId=own))}; another's: {other}"
