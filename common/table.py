"""What every table of an environment's TOML file is made of. No AWS."""

from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

# The placeholder, in a shipped file, of a value that the user has to fill in.
FILL_IN = "FILL-IN"


def _filled_in(value: str) -> str:
    if FILL_IN in value:
        raise ValueError(f"is still {value!r}: only you know this value")
    return value


Text = Annotated[str, AfterValidator(_filled_in)]


class Table(BaseModel):
    """A TOML table: unknown keys are mistakes, and values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))
