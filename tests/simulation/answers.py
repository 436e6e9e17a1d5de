"""What moto and botocore compute again for each call although it never changes: once here.

That is which operations a service has, and the names under which moto's objects may hold an
attribute of an answer (both depend on classes alone); which moment a text names; and how a name
is spelt in a User-Agent header. XML is written in a simpler way, and DynamoDB's expressions are
walked in one. All of it took more than half of a rollout's time. And no URL of AWS is answered for
the library requests, which nothing here asks AWS with: that was half of the time of a new world.
"""

from functools import cache, lru_cache
from types import SimpleNamespace

import botocore.useragent
import botocore.utils
from moto.core import models, responses, serialize
from moto.core.utils import method_names_from_class

from tests.simulation import attributes, expressions, xml


@cache
def install() -> None:
    """Install this before moto's own functions; call after the patches, which add operations."""
    setattr(responses, "method_names_from_class", cache(method_names_from_class))  # noqa: B010
    setattr(serialize, "xmltodict", SimpleNamespace(unparse=xml.unparse))  # noqa: B010
    for module, name in (
        (botocore.utils, "_parse_timestamp_with_tzinfo"),
        (botocore.useragent, "sanitize_user_agent_string_component"),
    ):
        setattr(module, name, lru_cache(10_000)(getattr(module, name)))
    setattr(models, "RESPONSES_METHODS", [])  # noqa: B010
    attributes.install()
    expressions.install()
