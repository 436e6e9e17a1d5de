"""What moto and botocore compute again for each call although it never changes: once here.

That is which operations a service has, and the names under which moto's objects may hold an
attribute of an answer (both depend on classes alone); which moment a text names; and how a name
is spelt in a User-Agent header. XML is written in a simpler way, and DynamoDB's expressions are
walked in one. All of it took a fourth of a request's time, and more than half of a simulated
rollout's. What moto answers stays the same.
"""

from functools import cache, lru_cache
from types import SimpleNamespace

import botocore.useragent
import botocore.utils
from moto.core import responses, serialize
from moto.core.utils import method_names_from_class

from localcloud.quick import attributes, expressions, xml


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
    attributes.install()
    expressions.install()
