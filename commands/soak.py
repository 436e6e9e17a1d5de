"""Drills at random, for as long as is wanted: `invoke drill soak`."""

from typing import TYPE_CHECKING

from commands.shared import approve, clients_of

if TYPE_CHECKING:
    from common.environment import Environment


def soak(environment: "Environment", minutes: float, seed: int, every: float, yes: bool) -> None:
    """Say what ENV lacks for it, ask on AWS, run drills for so many minutes, name the report."""
    from common.checkout import home
    from deploy.report.console import console, live_steps
    from drills.soak.soak import lacking, run_soak

    for words in lacking(environment):
        console.print(f"this soak leaves something out: {words}", markup=False, soft_wrap=True)
    if environment.provider == "aws":
        approve(
            f"For {minutes:.0f} minutes, heads and workers of {environment.name} are terminated, "
            "cut off and killed again and again; all that runs there is lost. It costs about one "
            "more head and worker meanwhile. Go ahead?",
            yes,
        )
    clients = clients_of(environment)
    with live_steps() as steps:
        report = run_soak(
            environment, clients, steps, home=home(), minutes=minutes, seed=seed, job_every=every
        )
    console.print(f"report: {report}", markup=False)
