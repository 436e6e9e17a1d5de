"""moto's answers in a process of tests, as quick as those of the local cloud (localcloud/quick/).

And no URL of AWS is answered for the library requests, which nothing here asks AWS with: that was
half of the time of a new world.
"""

from functools import cache

from moto.core import models

from localcloud import quick


@cache
def install() -> None:
    """Install this before moto's own functions; call after the patches, which add operations."""
    quick.install()
    setattr(models, "RESPONSES_METHODS", [])  # noqa: B010
