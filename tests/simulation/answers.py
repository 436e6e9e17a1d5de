"""What moto computes again for each answer although it never changes: computed once here.

That is which operations a service has, and the names under which moto's objects may hold an
attribute of an answer. Both depend on classes alone, and took a quarter of a rollout's time.
"""

from functools import cache
from typing import Any

from moto.core import responses
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker
from moto.core.utils import method_names_from_class

Names = tuple[str, ...]


@cache
def install() -> None:
    """Install this before moto's own functions; call after the patches, which add operations."""
    find = XFormedAttributePicker.get_possible_keys
    known: dict[tuple[Any, ...], Names] = {}

    def possible_keys(self: XFormedAttributePicker, context: AttributePickerContext) -> Names:
        shape = context.shape
        about = (type(context.obj), context.key, shape, getattr(shape, "parent", None))
        if about not in known:
            known[about] = tuple(dict.fromkeys(find(self, context)))
        return known[about]

    setattr(XFormedAttributePicker, "get_possible_keys", possible_keys)  # noqa: B010
    setattr(responses, "method_names_from_class", cache(method_names_from_class))  # noqa: B010
