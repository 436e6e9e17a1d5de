"""Why a document is not indexed, as ingestion acts on it. No AWS."""


class Unreadable(Exception):
    """A verdict on the document itself: a further attempt would find the same."""


class ParserLost(Exception):
    """The parser died or hung on the document; it may have been the machine's fault."""


class Unavailable(Exception):
    """A service did not do its part; the document is not to blame, so the attempt does not count.

    ``retry_after`` is how many seconds the service asked to wait, or None.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class OverBudget(Unavailable):
    """The day's tokens are used up; ``retry_after`` is the rest of the day."""


class ClaimLost(Exception):
    """Another worker has taken the object; what this one does no longer counts."""
