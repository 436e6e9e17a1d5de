"""Tell the environment's topic how a rollout goes. Touches AWS (SNS).

Whoever is subscribed to the alarms hears of rollouts too. Telling is a courtesy: when it fails, the
rollout goes on.
"""

from common.clients import Clients, translated
from common.errors import PipelineError

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT_LENGTH = 100


def announce(clients: Clients, topic_arn: str, subject: str, lines: tuple[str, ...]) -> str:
    """Publish a message; return why it could not be, or nothing."""
    try:
        with translated(f"announcing at {topic_arn}"):
            clients("sns").publish(
                TopicArn=topic_arn,
                Subject=subject[:SUBJECT_LENGTH],
                Message="\n".join(lines) or subject,
            )
    except PipelineError as error:
        return error.message
    return ""
