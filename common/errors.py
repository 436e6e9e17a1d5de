"""The errors that a user of Raykiln may see. No AWS."""


class PipelineError(Exception):
    """Something went wrong that the user can act on.

    ``message`` says what happened and where; ``hint`` what to do next.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class Refused(PipelineError):
    """Nothing was done: the request or what it met is not fit to go on."""

    exit_code = 1


class TimedOut(PipelineError):
    """A wait reached its deadline; the message names what was last seen."""


class Unanswered(PipelineError):
    """AWS refused a call or did not answer it, which says nothing about the cluster."""


class Unhealthy(PipelineError):
    """The cluster did not become what it should: going back may help."""


class RolledBack(PipelineError):
    """What was asked for failed, and what was there before serves again."""

    exit_code = 3
