"""The operator's commands: parse, call, print. `invoke --list` shows them all."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

if TYPE_CHECKING:
    from common.clients import Clients
    from common.environment import Environment
    from common.waiting import Clock
    from deploy.operate.head_change import HeadAction
    from deploy.plan.steps import Plan
    from deploy.release.release import Release
    from deploy.release.rollout_journal import Journal
    from deploy.rollout.prepare import Prepared

DEFAULT_ENV = os.environ.get("RAYKILN_ENV", "local")
ENV = "a file in environments/ (default: RAYKILN_ENV, or local)"
YES = "do not ask first"
BREAK_LOCK = "take the lock from another deployer"
HEAD = "a head's instance id (default: the leader)"
# A question while the deploy lock is held: it lapses 30 s after its last renewal.
ANSWER_SECONDS = 20.0


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what went wrong into words and an exit code."""
    from common.errors import PipelineError

    try:
        yield
    except PipelineError as error:
        raise Exit(str(error), error.exit_code) from error
    except KeyboardInterrupt as error:
        raise Exit("Interrupted; the same command goes on from here.", 130) from error


def environment_at(
    name: str, prepare: Callable[["Environment"], object] = lambda environment: None
) -> "Environment":
    """Return the environment, with this process where its AWS is.

    For the local cloud that is inside its VPC, as an operator on a VPN would be. ``prepare`` is
    called before the network is left behind.
    """
    from common.environment import load_environment

    environment = load_environment(name)
    if environment.provider == "localcloud":
        from localcloud import session

        if not session.is_inside():
            prepare(environment)
            session.enter()
    return environment


def clients_of(environment: "Environment") -> "Clients":
    """Return the clients of the environment's region."""
    from common.clients import Clients

    return Clients(environment.region)


def print_plan(plan: "Plan") -> None:
    """Print a plan for a person."""
    from deploy.report.console import console

    for words in plan.words or (f"{plan.environment}: nothing to change",):
        console.print(words, markup=False)


def print_briefing(prepared: "Prepared", as_json: bool = False) -> None:
    """Print what a plan would mean for the cluster, for a person or as data."""
    from deploy.report.briefing import brief
    from deploy.report.console import console, print_json

    briefing = brief(prepared)
    if as_json:
        print_json(briefing.as_json())
        return
    for words in briefing.words:
        console.print(words, markup=False)


def approve(question: str, yes: bool) -> None:
    """Go on only when told so; raises Refused otherwise."""
    from common.errors import Refused
    from deploy.report.console import confirm

    if not (yes or confirm(question)):
        raise Refused("Nothing was changed.", hint="answer y on a terminal, or give --yes")


def fetch_wheels(environment: "Environment") -> None:
    """Fetch the images' wheels; the package index cannot be reached from inside a closed VPC."""
    from bake.wheelhouse import fetch_wheelhouse
    from deploy.report.console import live_steps
    from localcloud.paths import paths

    with live_steps() as steps:
        steps.begin("wheels")
        fetch_wheelhouse(environment, paths().cache, steps.say)


@task(help={"role": "head or worker (default: both)", "force": "bake also what is verified"})
def bake(c: Context, env: str = DEFAULT_ENV, role: str = "", force: bool = False) -> None:
    """Bake and test the images of ENV that are not there yet."""
    with plain_errors():
        environment = environment_at(env, prepare=fetch_wheels)
        from bake.bake import bake as bake_images
        from bake.files import ROLES
        from common.errors import Refused
        from deploy.report.console import console, step
        from localcloud.paths import paths

        if role and role not in ROLES:
            raise Refused(f"there is no role {role!r}", hint=f"choose one of {', '.join(ROLES)}")
        where = paths()
        with step("bake") as steps:
            baked = bake_images(
                clients_of(environment),
                environment,
                home=where.home,
                cache=where.cache,
                roles=(role,) if role else ROLES,
                force=force,
                progress=steps.say,
            )
        for image in baked.images:
            new = "baked and verified" if image.role in baked.new else "verified, nothing to do"
            console.print(f"{image.role}: {image.ami_id} {image.digest[:12]} {new}")


@task(help={"env": ENV})
def images(c: Context, env: str = DEFAULT_ENV) -> None:
    """List the images that were baked, newest first."""
    with plain_errors():
        environment = environment_at(env)
        from bake.catalog import images as baked_images
        from deploy.report.console import show_table

        columns = ("AMI", "role", "digest", "Ray", "git", "created", "verified")
        found = baked_images(clients_of(environment))
        rows = [
            (i.ami_id, i.role, i.digest[:12], i.ray_version, i.git, i.created, i.verified or "no")
            for i in found
        ]
        show_table(f"Images of {env}", columns, rows)


@task(help={"env": ENV, "json": "as data"})
def plan(c: Context, env: str = DEFAULT_ENV, json: bool = False) -> None:
    """Show what a deploy would change in ENV, and what that would interrupt; change nothing."""
    with plain_errors():
        environment = environment_at(env)
        from common.waiting import SystemClock
        from deploy.rollout.prepare import prepare_deploy

        clients = clients_of(environment)
        prepared = prepare_deploy(environment, clients, clock=SystemClock())
        print_briefing(prepared, json)


@task(help={"env": ENV, "yes": YES, "break-lock": BREAK_LOCK})
def deploy(c: Context, env: str = DEFAULT_ENV, yes: bool = False, break_lock: bool = False) -> None:
    """Show what would change in ENV, ask, change it, verify it; go back when it fails."""
    with plain_errors():
        environment = environment_at(env)
        carry_out(environment, "deploy", None, yes=yes, break_lock=break_lock)


@task(
    help={
        "env": ENV,
        "to": "a release's id (default: the one served before)",
        "yes": YES,
        "break-lock": BREAK_LOCK,
    }
)
def rollback(
    c: Context, env: str = DEFAULT_ENV, to: str = "", yes: bool = False, break_lock: bool = False
) -> None:
    """Have ENV serve an earlier release again."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.release.releases import previous_release_of, release_named

        clients = clients_of(environment)
        release = (
            release_named(clients, environment, to)
            if to
            else previous_release_of(clients, environment)
        )
        carry_out(environment, "rollback", release, yes=yes, break_lock=break_lock)


def print_report(journal: "Journal | None") -> None:
    """Write what a rollout did as a page and as data, and say where; it never hides an error."""
    from deploy.report.console import console
    from deploy.report.rollout_report import write_report
    from localcloud.paths import paths

    if journal is None:
        return
    try:
        page = write_report(journal, paths().home / "rollouts" / journal.id)
        console.print(f"report: {page}", markup=False)
    except OSError as error:
        console.print(f"note: the report could not be written: {error}", markup=False)


def carry_out(
    environment: "Environment",
    kind: str,
    release: "Release | None",
    *,
    yes: bool,
    break_lock: bool,
) -> None:
    """Plan, ask, and roll: the one way in which a cluster changes."""
    from common.waiting import SystemClock
    from deploy.report.console import confirm, console, live_steps
    from deploy.rollout.operation import Operation
    from deploy.rollout.prepare import prepare_deploy

    clients = clients_of(environment)

    def prepare(clock: "Clock", release: "Release | None") -> "Prepared":
        return prepare_deploy(environment, clients, clock=clock, release=release)

    prepared = prepare(SystemClock(), release)
    for finding in prepared.findings:
        hint = f" ({finding.hint})" if finding.hint else ""
        console.print(f"note: {finding.words}{hint}", markup=False)
    print_briefing(prepared)
    if not prepared.rollout.plan.is_empty:
        approve("Go ahead?", yes)
        with live_steps() as steps:

            def stop_or_undo() -> bool:
                steps.stop()
                question = f"Stopped. Go back to the release before? ({ANSWER_SECONDS:.0f} s)"
                return confirm(question, ANSWER_SECONDS)

            def agree(prepared: "Prepared") -> bool:
                steps.stop()
                console.print("The plan has changed since it was shown:")
                print_plan(prepared.rollout.plan)
                return yes or confirm(f"Go ahead? ({ANSWER_SECONDS:.0f} s)", ANSWER_SECONDS)

            operation = Operation(
                environment,
                clients,
                SystemClock(),
                prepare,
                steps,
                kind=kind,
                stop_or_undo=stop_or_undo,
                agree=agree,
            )
            try:
                operation.run(prepared, break_lock=break_lock)
            finally:
                steps.stop()
                print_report(operation.journal)
    console.print(f"[dim]{clients.calls} AWS calls[/dim]")


@task(help={"env": ENV, "json": "as data"})
def releases(c: Context, env: str = DEFAULT_ENV, json: bool = False) -> None:
    """List the releases of ENV, the one served now first."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.release.releases import releases as stored_releases
        from deploy.report.console import print_json, show_table

        found = stored_releases(clients_of(environment), environment)
        if json:
            print_json([one.as_json() for one in found])
            return
        columns = ("release", "head", "worker", "Ray", "deployed", "by", "")
        rows = [
            (
                one.release.id,
                one.release.head.ami_id,
                one.release.worker.ami_id,
                one.release.head.ray_version,
                one.deployed or "never to the end",
                one.by,
                "current" if one.current else "",
            )
            for one in found
        ]
        show_table(f"Releases of {env}", columns, rows)


@task(positional=["old", "new"], help={"old": "a release's id", "new": "another's", "env": ENV})
def diff(c: Context, old: str, new: str, env: str = DEFAULT_ENV) -> None:
    """Show what differs between two releases of ENV."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.release.package_changes import image_changes
        from deploy.release.release import differences
        from deploy.release.releases import release_named
        from deploy.report.console import console

        clients = clients_of(environment)
        one, other = (release_named(clients, environment, name) for name in (old, new))
        for words in differences(one, other) or ("they are the same",):
            console.print(words, markup=False)
        for change in image_changes(clients, one, other):
            for words in change.words:
                console.print(words, markup=False)


@task(help={"env": ENV, "json": "as data", "watch": "again every two seconds, until Ctrl-C"})
def status(c: Context, env: str = DEFAULT_ENV, json: bool = False, watch: bool = False) -> None:
    """Show what ENV is now, and what is wrong with it; exit 2 when it is not well."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.operate.status import read_status
        from deploy.report.console import print_json, show_report, watch_report

        clients = clients_of(environment)
        if watch:
            watch_report(lambda: read_status(environment, clients))
        report = read_status(environment, clients)
        if json:
            print_json(report.as_json())
        else:
            show_report(report)
        if not report.is_healthy:
            raise Exit("", 2)


@task(
    help={
        "env": ENV,
        "destructive": "also end the head's instance, and time the recovery",
        "yes": YES,
        "json": "as data",
    }
)
def verify(
    c: Context,
    env: str = DEFAULT_ENV,
    destructive: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Check ENV against the acceptance list; exit 2 when a line fails."""
    with plain_errors():
        environment = environment_at(env)
        from dataclasses import asdict

        from common.waiting import SystemClock
        from deploy.report.console import console, print_json, step
        from deploy.verify.acceptance import check_delivery, run_checks
        from deploy.verify.head_loss import check_head_loss

        clients, clock = clients_of(environment), SystemClock()
        if destructive:
            approve(f"End the head of {environment.name}?", yes)
        with step("verify", quiet=json) as steps:
            checks = run_checks(clients, environment, clock=clock, progress=steps.say)
            checks += (check_delivery(clients, environment, clock=clock),)
            if destructive:
                checks += check_head_loss(clients, environment, clock=clock, progress=steps.say)
        if json:
            print_json([asdict(check) for check in checks])
        else:
            for check in checks:
                console.print(str(check), markup=False)
        if not all(check.passed for check in checks):
            raise Exit("", 2)


@task(help={"env": ENV})
def job(c: Context, env: str = DEFAULT_ENV) -> None:
    """Run a Ray job through the stable name on the head and on every worker of ENV."""
    with plain_errors():
        environment = environment_at(env)
        from common.waiting import SystemClock
        from deploy.cluster.ray_api import ray_api
        from deploy.cluster.ray_instances import ray_instances
        from deploy.report.console import console, step
        from deploy.verify.smoke import run_smoke_job

        clients = clients_of(environment)
        nodes = ray_instances(clients, environment)
        with step(f"a job at {environment.head_dns}") as steps:
            api = ray_api(clients, environment)
            outcome, present = run_smoke_job(api, nodes, clock=SystemClock(), progress=steps.say)
        for one in present:
            node = nodes.get(one.address)
            name = f"{node.role} {node.id}" if node else "a newcomer"
            console.print(f"  {name} {one.address} took part as {one.node_id[:12]}")
        console.print(
            f"accepted in {outcome.accepted_seconds:.2f} s, done in {outcome.seconds:.1f} s"
        )


@task(help={"env": ENV, "yes": YES, "break-lock": BREAK_LOCK})
def destroy(
    c: Context, env: str = DEFAULT_ENV, yes: bool = False, break_lock: bool = False
) -> None:
    """Remove everything that was deployed to ENV. The images stay."""
    with plain_errors():
        environment = environment_at(env)
        from common.waiting import SystemClock
        from deploy.report.console import live_steps
        from deploy.rollout.prepare import prepare_destroy

        destruction = prepare_destroy(environment, clients_of(environment), clock=SystemClock())
        print_plan(destruction.plan)
        if not destruction.plan.is_empty:
            approve(f"Remove all of {environment.name}?", yes)
            with live_steps() as steps:
                destruction.run_locked(steps, break_lock=break_lock)


@task(name="id", help={"env": ENV})
def head_id(c: Context, env: str = DEFAULT_ENV) -> None:
    """Print the instance id of the head that leads, and nothing else; exit 2 when none does."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.cluster.heads import find_heads

        print(find_heads(clients_of(environment), environment).require_leader())


@task(
    name="logs",
    help={
        "env": ENV,
        "id": "an instance id (default: who leads, or led last)",
        "follow": "go on with what is new, until Ctrl-C",
        "lines": "how many to begin with",
        "unit": "one of its units, or several with commas between",
    },
)
def head_logs(
    c: Context,
    env: str = DEFAULT_ENV,
    id: str = "",
    follow: bool = False,
    lines: int = 50,
    unit: str = "ray-head",
) -> None:
    """Print what a head's journal says; of one that has gone, what it said last."""
    with plain_errors():
        environment = environment_at(env)
        from common.waiting import SystemClock
        from deploy.operate.head_logs import HeadLog, LogQuery

        wish = LogQuery(id, tuple(unit.split(",")), lines, follow)
        clients = clients_of(environment)
        for line in HeadLog(clients, environment, wish, SystemClock()).lines():
            print(line, flush=True)


@task(name="shell", help={"env": ENV, "id": HEAD})
def head_shell(c: Context, env: str = DEFAULT_ENV, id: str = "") -> None:
    """Open a shell on the head that leads, or on another."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.cluster.heads import find_heads

        instance = find_heads(clients_of(environment), environment).select(id)
        command = session_with(environment, instance)
        os.execvp(command[0], command)  # noqa: S606


def session_with(environment: "Environment", instance: str) -> list[str]:
    """Return the command that opens a shell on an instance, wherever it runs."""
    if environment.provider == "localcloud":
        from localcloud import control

        return control.shell_command(instance, ["/bin/bash", "--login"])
    from deploy.operate.session import session_command

    return session_command(instance, environment.region)


def change_head(environment: "Environment", kind: "HeadAction", instance: str, yes: bool) -> None:
    """Show what would be done to which head, ask, do it, and say what came of it."""
    from functools import partial

    from common.waiting import SystemClock
    from deploy.cluster.heads import find_heads
    from deploy.cluster.ray_api import ray_api
    from deploy.operate.head_change import HeadChange, plan_change
    from deploy.report.console import console, step

    clients = clients_of(environment)
    change = plan_change(kind, find_heads(clients, environment), instance)
    console.print(f"{environment.name}: {change.words}", markup=False)
    approve("Go ahead?", yes)
    with step(f"head.{kind}") as steps:
        api = partial(ray_api, clients, environment)
        outcome = HeadChange(clients, environment, SystemClock(), api, steps).run(change)
    console.print(str(outcome or f"{change.head}: done"), markup=False)


@task(name="restart", help={"env": ENV, "id": HEAD, "yes": YES})
def head_restart(c: Context, env: str = DEFAULT_ENV, id: str = "", yes: bool = False) -> None:
    """Restart Ray's head on its instance, and say how long there was none."""
    with plain_errors():
        change_head(environment_at(env), "restart", id, yes)


@task(name="replace", help={"env": ENV, "id": HEAD, "yes": YES})
def head_replace(c: Context, env: str = DEFAULT_ENV, id: str = "", yes: bool = False) -> None:
    """End a head's instance, a standby taking over first, and wait for its successor."""
    with plain_errors():
        change_head(environment_at(env), "replace", id, yes)


@task(name="hand-over", help={"env": ENV, "yes": YES})
def head_handover(c: Context, env: str = DEFAULT_ENV, yes: bool = False) -> None:
    """Have the standby lead."""
    with plain_errors():
        change_head(environment_at(env), "hand-over", "", yes)


@task
def up(c: Context) -> None:
    """Bring the local cloud up; does nothing when it is."""
    with plain_errors():
        from deploy.report.console import step
        from localcloud import control

        with step("local cloud") as steps:
            control.up(steps.say)


@task
def down(c: Context) -> None:
    """Take the local cloud down and leave nothing of it behind; caches stay."""
    with plain_errors():
        from deploy.report.console import step
        from localcloud import control

        with step("local cloud down") as steps:
            control.down(steps.say)


@task(name="status")
def cloud_status(c: Context) -> None:
    """Show whether the local cloud is up, and its machines."""
    with plain_errors():
        from deploy.report.console import console
        from localcloud import control

        found = control.status()
        state = f"up, process {found.pid}" if found.running else "down"
        console.print(f"local cloud {found.namespace}: {state}; log: {found.log}")
        for machine in found.machines:
            console.print(f"  {machine}")


@task(positional=["instance"], help={"instance": "an instance id, as cloud.status shows"})
def shell(c: Context, instance: str) -> None:
    """Open a root shell on a machine of the local cloud."""
    with plain_errors():
        from localcloud import control

        command = control.shell_command(instance, ["/bin/bash", "--login"])
        os.execvp(command[0], command)  # noqa: S606


@task(
    default=True,
    positional=["name"],
    help={
        "name": "a drill, or --list to see them all",
        "runs": "how many times, one after the other",
        "env": ENV,
        "yes": YES,
        "every": "seconds between two jobs of the client",
    },
)
def run(
    c: Context,
    name: str,
    runs: int = 1,
    env: str = DEFAULT_ENV,
    yes: bool = False,
    every: float = 0.2,
) -> None:
    """Break ENV for real, time how it comes back, keep a record; exit 2 when it does not."""
    with plain_errors():
        if name == "--list":
            show_drills()
            return
        environment = environment_at(env)
        from deploy.report.console import live_steps
        from drills.kit.registry import drill_for
        from drills.kit.series import run_series, warning
        from localcloud.paths import paths

        drill, clients = drill_for(name, environment), clients_of(environment)
        if environment.provider == "aws":
            approve(f"{warning(drill, environment, runs)}\nGo ahead?", yes)
        with live_steps() as steps:
            home = paths().home
            run_series(drill, environment, clients, steps, home=home, runs=runs, job_every=every)


def show_drills() -> None:
    """Print every drill, and where it can be done."""
    from deploy.report.console import show_table
    from drills.kit.registry import drills

    rows = [(d.name, d.title, "local cloud only" if d.local_only else "") for d in drills()]
    show_table("Drills", ("name", "what breaks", ""), rows)


@task(name="report")
def drill_report(c: Context) -> None:
    """Write what all drills on record have shown as a page and as data."""
    with plain_errors():
        from deploy.report.console import console
        from drills.kit.report import write_report
        from localcloud.paths import paths

        console.print(f"report: {write_report(paths().home)}", markup=False)


DEMO = (
    ("the local cloud", "cloud.up"),
    ("images baked and tested", "bake --env local"),
    ("a cluster deployed", "deploy --env local --yes"),
    ("its status", "status --env local"),
    ("a Ray job on every node", "job --env local"),
)


@task
def demo(c: Context) -> None:
    """From nothing to a Ray job on a cluster in the local cloud; prints how long each step took."""
    with plain_errors():
        from deploy.report.console import console, run_timed, show_table

        rows = []
        for title, arguments in DEMO:
            console.print(f"\n[bold]$ ./run.sh {arguments}[/bold]")
            seconds = run_timed([sys.executable, "-m", "invoke", *arguments.split()])
            rows.append((title, f"{seconds:.1f} s"))
        console.print()
        show_table("How long it took", ("step", "time"), rows)
        console.print("The cluster stays up. Next: ./run.sh verify; ./run.sh cloud.down ends all.")


@task(help={"only": "files or folders below tests/, and pytest's options (default: all)"})
def test(c: Context, only: str = "") -> None:
    """Run the linters and all tests; those in tests/cloud bring up local clouds of their own."""
    with plain_errors():
        from deploy.report.console import run_timed

        pytest = [sys.executable, "-m", "pytest"]
        if only:
            run_timed([*pytest, *only.split()])
        else:
            run_timed([*pytest, "--numprocesses=2", "tests/lint", "tests/unit"])
            run_timed([*pytest, "tests/cloud"])


# what is asked for, what it is pinned to, the oldest Python that installs it
LOCKS = (
    ("requirements-uv.in", "requirements-uv.txt", "3.11"),
    ("requirements.in", "requirements.txt", "3.11"),
    ("requirements-dev.in", "requirements-dev.txt", "3.11"),
    ("ami-provisioners/ray.in", "ami-provisioners/ray.lock", "3.10"),
)


@task
def lock(c: Context) -> None:
    """Pin anew, with hashes, the newest of all that is installed here and in the images."""
    with plain_errors():
        from deploy.report.console import run_timed

        for wanted, pinned, python in LOCKS:
            run_timed(
                [
                    *(".venv/bin/uv", "pip", "compile", "--quiet", "--upgrade", "--universal"),
                    *("--generate-hashes", "--no-emit-index-url", "--no-header"),
                    *("--python-version", python, wanted, "--output-file", pinned),
                ]
            )


namespace = Collection(
    bake,
    images,
    plan,
    deploy,
    rollback,
    releases,
    diff,
    status,
    verify,
    job,
    destroy,
    demo,
    test,
    lock,
    head=Collection(head_id, head_logs, head_shell, head_restart, head_replace, head_handover),
    cloud=Collection(up, down, cloud_status, shell),
    drill=Collection(run, drill_report),
)
