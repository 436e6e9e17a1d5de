"""EC2 carries out a request with a client token once, however often it is sent.

Follows https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html: a retry with the
same token and parameters gets the first answer and does nothing, one with other parameters is
refused with IdempotentParameterMismatch. botocore puts a token into each request of an operation
that has one, so what it sends again after a lost answer happens once. moto ignores tokens.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from moto.core.utils import camelcase_to_underscores
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response

from localcloud.world import World

Respond = Callable[[Any], Any]
TOKEN = "ClientToken"  # noqa: S105 - a parameter's name


def operations() -> list[str]:
    """Return the operations that take a token, as moto names their methods."""
    model = ServiceModel(Loader().load_service_model("ec2", "service-2"), "ec2")
    shapes = {name: model.operation_model(name).input_shape for name in model.operation_names}
    taking = [name for name, shape in shapes.items() if shape and TOKEN in shape.members]
    names = map(camelcase_to_underscores, taking)
    return [name for name in names if hasattr(EC2Response, name)]


def _once(respond: Respond) -> Respond:
    @wraps(respond)
    def responded(self: Any) -> Any:
        token = self._get_param(TOKEN)
        if not token:
            return respond(self)
        asked, key = repr(self.params), (respond.__name__, token)
        answered = vars(self.ec2_backend).setdefault("client_tokens", {})
        if key not in answered:
            answered[key] = asked, respond(self)  # an error is raised, and not kept
        before, answer = answered[key]
        if before != asked:
            raise EC2ClientError(
                "IdempotentParameterMismatch",
                f"The client token {token} was used with other parameters.",
            )
        return answer

    return responded


@cache
def install() -> None:
    """Wrap each operation as it is patched so far."""
    for name in operations():
        setattr(EC2Response, name, _once(getattr(EC2Response, name)))


def attach(world: World) -> None:
    """Nothing happens here by itself."""
