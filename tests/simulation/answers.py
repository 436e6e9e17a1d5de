"""What moto works out anew for each answer, though it never changes: here it is worked out once.

That is which operations a service has, and by which names an attribute of an answer may be found
in an object of moto's. Both follow from the classes alone, and were a quarter of a rollout's time.
"""

from functools import cache
from typing import Any

from moto.core import responses
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker
from moto.core.utils import method_names_from_class

Names = tuple[str, ...]


@cache
def install() -> None:
    """Put this before moto's own way; the patches, which add operations, are there by then."""
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
