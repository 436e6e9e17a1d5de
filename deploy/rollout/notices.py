"""Announce rollouts at the environment's topic. Touches AWS (SNS).

Subscribers to the alarms are told of rollouts too. If an announcement fails, the rollout goes on.
"""

from common.clients import Clients, translated
from common.errors import PipelineError

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT_LENGTH = 100


def announce(clients: Clients, topic_arn: str, subject: str, lines: tuple[str, ...]) -> str:
    """Publish a message; return why it failed, or nothing."""
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
