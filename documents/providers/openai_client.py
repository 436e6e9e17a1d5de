"""OpenAI's own client, and its errors in our words. No AWS.

The client tries again by itself on 408, 409, 429 and 5xx; we do it, since a queue waits better
than a thread: a Retry-After header becomes the time at which the message comes back
(platform.openai.com/docs/guides/error-codes, github.com/openai/openai-python#retries).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import openai

from common.errors import Refused
from documents.errors import Unavailable
from documents.settings import Settings


def openai_client(settings: Settings) -> openai.OpenAI:
    """Return a client that tries once."""
    return openai.OpenAI(
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        timeout=settings.openai_timeout,
        max_retries=0,
    )


@contextmanager
def answering(doing: str) -> Iterator[None]:
    """Translate OpenAI's errors into Unavailable and Refused."""
    try:
        yield
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise Refused(
            f"{doing}: OpenAI refused the key", hint="put a valid one into the secret"
        ) from error
    except openai.APIStatusError as error:
        if error.status_code == 429 and error.code == "insufficient_quota":
            raise Refused(
                f"{doing}: the OpenAI account has no quota left", hint="raise its limit"
            ) from error
        if error.status_code in (408, 409, 429) or error.status_code >= 500:
            raise Unavailable(
                f"{doing}: OpenAI answered {error.status_code}", _seconds(error)
            ) from error
        raise Refused(f"{doing}: OpenAI answered {error.status_code}: {error.message}") from error
    except openai.APIConnectionError as error:  # APITimeoutError is one too
        raise Unavailable(f"{doing}: {error}") from error


def _seconds(error: openai.APIStatusError) -> float | None:
    try:
        return float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
