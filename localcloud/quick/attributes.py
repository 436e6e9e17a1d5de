"""The attributes of moto's objects that go into an answer, found in a third of moto's time.

Which names an attribute may have depends on classes and the service's model alone, so they are
found once; and no object is made for each attribute of each answer.
"""

from typing import Any, NamedTuple

from moto.core.serialize import AttributePickerContext, ResponseSerializer, XFormedAttributePicker
from moto.core.utils import MISSING
from moto.core.utils import get_value as look_up


class Names(NamedTuple):
    """The names that an attribute may have; of a plain dictionary, and of an object, as such."""

    names: tuple[str, ...]
    of_dictionary: bool
    of_object: bool


_known: dict[tuple[Any, ...], Names] = {}
_of_moto = ResponseSerializer.get_value


def get_value(self: ResponseSerializer, value: Any, key: str, shape: Any) -> Any:
    """Do what moto's ``ResponseSerializer.get_value`` does."""
    if type(self._value_picker) is not XFormedAttributePicker:
        return _of_moto(self, value, key, shape)
    about = (type(value), key, shape, getattr(shape, "parent", None))
    names = _known.get(about)
    if names is None:
        names = _known[about] = _names(self, value, key, shape)
    found = _first(value, names)
    transformers = self._value_picker.response_transformers
    if transformers:
        path = f"{'.'.join(self.path)}.{key}"
        for end, transform in transformers.items():
            if path.endswith(end):
                return transform(found)
    return found


def _first(value: Any, names: Names) -> Any:
    """Return what the first of the names stands for, or None."""
    if names.of_dictionary:
        for name in names.names:
            if name in value:
                return value[name]
        return None
    for name in names.names:
        found = getattr(value, name, MISSING) if names.of_object else look_up(value, name, MISSING)
        if found is not MISSING:
            return found
    return None


def _names(serializer: ResponseSerializer, value: Any, key: str, shape: Any) -> Names:
    picker = serializer._value_picker
    found = tuple(
        dict.fromkeys(picker.get_possible_keys(AttributePickerContext(value, key, shape)))
    )
    is_path = any("." in name for name in found)
    is_plain = not hasattr(value, "__getitem__") and not hasattr(type(value), "__getattr__")
    return Names(found, type(value) is dict and not is_path, is_plain and not is_path)


def install() -> None:
    """Install this in place of moto's own function."""
    setattr(ResponseSerializer, "get_value", get_value)  # noqa: B010
