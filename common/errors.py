"""The errors that a user of Raykiln may see. No AWS."""


class PipelineError(Exception):
    """A failure that the user can act on.

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
    """Nothing was changed: the request, or the state that it found, does not allow it."""

    exit_code = 1


class Interrupted(PipelineError):
    """A person ended the command; what it had begun elsewhere may go on."""

    exit_code = 130  # 128 and the number of SIGINT, as a shell has it


class TimedOut(PipelineError):
    """A wait reached its deadline; the message says what was last seen."""


class Unanswered(PipelineError):
    """AWS refused a call or did not answer; the cluster may still be healthy."""


class Denied(Unanswered):
    """AWS refused a call to these credentials, and will refuse the next one."""


class Unhealthy(PipelineError):
    """The cluster did not reach its desired state; a rollback may help."""


class RolledBack(PipelineError):
    """The rollout failed, and the previous release serves again."""

    exit_code = 3
