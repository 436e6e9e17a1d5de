"""Read a YAML file that a person wrote: keys and values, or where it is wrong. No AWS."""

from pathlib import Path
from typing import Any

import yaml

from common.errors import Refused


def read_mapping(path: Path, *, named: str, example: str) -> dict[str, Any]:
    """Return the file's keys and values; none of an empty file.

    ``named`` is what names the file, ``example`` a line that it could have. Raises Refused, with
    the place in the file.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Refused(f"{path}: no such file", hint=f"correct {named}") from error
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", hint=f"correct {named}") from error
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1}"
        raise Refused(f"{path} is not UTF-8: {place}", hint="save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise Refused(f"{path} is not YAML: {_words(error)}", hint="correct that line") from error
    except (ValueError, RecursionError) as error:  # a thirteenth month; lists in lists
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(f"{path} cannot be read: {why}", hint="correct that value") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused(
            f"{path} holds a {type(found).__name__}, not keys and values",
            hint=f"begin each line with a key, for example {example}",
        )
    return found


def _words(error: yaml.YAMLError) -> str:
    """Return one line: where, and what."""
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    return f"{place}{problem}"
