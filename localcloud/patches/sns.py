"""E-mail subscriptions that are pending until their recipient confirms them.

Follows Subscribe and ConfirmSubscription of the Amazon SNS API reference: until the recipient
confirms, the subscription's ARN reads "PendingConfirmation" and nothing is sent to it. moto
confirms every subscription at once. The token, which AWS mails, is the last part of the
subscription's ARN.
"""

from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import SNSBackend
from moto.sns.responses import SNSResponse

from localcloud.world import World

BY_MAIL = ("email", "email-json")


def is_pending(subscription: Any) -> bool:
    """Say whether its recipient has not confirmed it yet."""
    return subscription.protocol in BY_MAIL and not subscription.confirmed


def _listed(subscription: Any) -> dict[str, Any]:
    return {
        "SubscriptionArn": "PendingConfirmation" if is_pending(subscription) else subscription.arn,
        "Owner": subscription.owner,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "TopicArn": subscription.topic_arn,
    }


def _list_subscriptions(self: Any) -> ActionResult:
    token = self._get_param("NextToken")
    found, following = self.backend.list_subscriptions(next_token=token)
    return ActionResult({"Subscriptions": [_listed(one) for one in found], "NextToken": following})


def _list_subscriptions_by_topic(self: Any) -> ActionResult:
    topic, token = self._get_param("TopicArn"), self._get_param("NextToken")
    found, following = self.backend.list_subscriptions_by_topic(topic, next_token=token)
    return ActionResult({"Subscriptions": [_listed(one) for one in found], "NextToken": following})


def _confirm_subscription(self: Any) -> ActionResult:
    topic, token = self._get_param("TopicArn"), self._get_param("Token")
    subscription = self.backend.subscriptions.get(f"{topic}:{token}")
    if subscription is None:
        raise SNSInvalidParameter("Invalid token")
    subscription.confirmed = True
    subscription.attributes["PendingConfirmation"] = "false"
    return ActionResult({"SubscriptionArn": subscription.arn})


@cache
def install() -> None:
    """Keep e-mail subscriptions pending until they are confirmed."""
    subscribe, answer = SNSBackend.subscribe, SNSResponse.subscribe

    def new_subscription(self: Any, topic_arn: str, endpoint: str, protocol: str) -> Any:
        made = subscribe(self, topic_arn, endpoint, protocol)
        if is_pending(made):
            made.attributes["PendingConfirmation"] = "true"
        return made

    def subscribe_answer(self: Any) -> ActionResult:
        answered = answer(self)
        arn = dict(answered.result)["SubscriptionArn"]
        pending = is_pending(self.backend.subscriptions[arn])
        if pending and not self._get_bool_param("ReturnSubscriptionArn", False):
            return ActionResult({"SubscriptionArn": "pending confirmation"})
        return ActionResult({"SubscriptionArn": arn})

    SNSBackend.subscribe = new_subscription
    SNSResponse.subscribe = subscribe_answer
    SNSResponse.list_subscriptions = _list_subscriptions
    SNSResponse.list_subscriptions_by_topic = _list_subscriptions_by_topic
    SNSResponse.confirm_subscription = _confirm_subscription


def attach(world: World) -> None:
    """Nothing happens here by itself."""
