"""What every table of an environment's TOML file is made of. No AWS."""

import re
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

# The placeholder, in a shipped file, of a value that the user has to fill in.
FILL_IN = "FILL-IN"


def _filled_in(value: str) -> str:
    if FILL_IN in value:
        raise ValueError(f"is still {value!r}: only you know this value")
    return value


Text = Annotated[str, AfterValidator(_filled_in)]


def like(pattern: str, example: str) -> AfterValidator:
    """Return a check that the whole of a value matches a pattern; a mistake shows the example."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is not like {example}")
        return value

    return AfterValidator(check)


class Table(BaseModel):
    """A TOML table: unknown keys are mistakes, and values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python would take true for 1."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is int:
            raise ValueError("a whole number is needed")
        return value
