"""What `invoke status --watch` shows: one screen of 100 columns. Pure: made from what was read.

What fails to be read is a line that says why, so that the rest stays on the screen.
"""

from collections import Counter
from dataclasses import dataclass

from common.started import as_started
from deploy.operate.cost import RunningCost
from deploy.operate.group_status import GroupStatus
from deploy.operate.job_records import LOST, JobLine
from deploy.operate.status_report import Section, StatusReport

MOST_JOBS = 10
# What a person looks for first. The rest has ended.
FIRST = ("RUNNING", "PENDING", LOST)
OK, ALARM = "OK", "ALARM"


@dataclass(frozen=True)
class LiveView:
    """A status report, the jobs and the cost; of these two a text says why they are not known.

    ``now``: seconds since the epoch.
    """

    report: StatusReport
    jobs: tuple[JobLine, ...] | str
    cost: RunningCost | str
    now: float

    def sections(self) -> tuple[Section, ...]:
        """Return the screen from top to bottom; what may be long comes last."""
        problems = tuple(("!", words) for words in self.report.problems)
        return (
            Section(self.report.environment, ("", ""), self._facts()),
            *((Section("Problems", ("", ""), problems),) if problems else ()),
            self._groups(),
            self._jobs(),
        )

    def _facts(self) -> tuple[tuple[str, str], ...]:
        report = self.report
        heads = Counter(head["group"] for head in report.heads)
        return (
            ("health", "paused" if report.paused else _health(report)),
            ("leader", f"{report.leader} (epoch {report.epoch})" if report.leader else "none"),
            ("heads", ", ".join(f"{n} {state}" for state, n in sorted(heads.items())) or "none"),
            ("autoscaler", report.autoscaler or "not known"),
            ("release", report.release or "none yet"),
            ("deploy", report.deployer or report.unfinished or "none in progress"),
            ("alarms", self._alarms()),
            ("cost", self._cost()),
        )

    def _alarms(self) -> str:
        """Return which alarms are in ALARM, and how many are in each other state."""
        alarms = self.report.alarms
        alarmed = sorted(name for name, state in alarms.items() if state == ALARM)
        others = Counter(state for state in alarms.values() if state != ALARM)
        words = [f"{count} {state}" for state, count in sorted(others.items())]
        return ", ".join([*(f"ALARM {name}" for name in alarmed), *words]) or "none"

    def _cost(self) -> str:
        if isinstance(self.cost, str):
            return self.cost
        hour = self.cost.hour
        return f"${hour:,.2f} an hour, list prices of {self.cost.date}"

    def _groups(self) -> Section:
        columns = ("group", "running", "starting", "leaving", "stale", "now", "$/h", "refused")
        rows = tuple(self._group(group) for group in self.report.groups)
        return Section("Groups", columns if rows else ("none",), rows)

    def _group(self, group: GroupStatus) -> tuple[str, ...]:
        row = group.row
        shown = (row[name] for name in ("group", "running", "starting", "leaving", "stale", "now"))
        return (*shown, self._hour(group.name), row["refused"])

    def _hour(self, group: str) -> str:
        """Return what a group's workers cost an hour."""
        if isinstance(self.cost, str):
            return "?"
        lines = [line for line in self.cost.lines if line.what == f"group {group}"]
        if any(line.hour is None for line in lines):
            return "?"
        return f"{sum(line.hour or 0.0 for line in lines):.2f}"

    def _jobs(self) -> Section:
        """Return the jobs that run, wait or were lost, then the newest that have ended."""
        if isinstance(self.jobs, str):
            return Section("Jobs", ("",), ((self.jobs,),))
        counts = Counter(job.status for job in self.jobs)
        words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        shown = sorted(self.jobs, key=_order)[:MOST_JOBS]
        rows = tuple(
            (job.id, job.status, _ago(self.now - job.started) if job.started else "-", _asked(job))
            for job in shown
        )
        columns = ("job", "status", "began", "command")
        return Section(f"Jobs: {words or 'none'}", columns if rows else ("",), rows)


def _health(report: StatusReport) -> str:
    count = len(report.problems)
    return f"{count} problem{'s' if count > 1 else ''}" if count else "healthy"


def _order(job: JobLine) -> tuple[int, float]:
    return FIRST.index(job.status) if job.status in FIRST else len(FIRST), -job.started


def _asked(job: JobLine) -> str:
    return f"again: {as_started(job.again)}" if job.is_lost else job.command


def _ago(seconds: float) -> str:
    """Return a duration in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
