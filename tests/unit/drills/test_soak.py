"""A soak: which drills it draws, what it calls growth, and when it ends."""

import json
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from commands import soak as command
from common.errors import PipelineError, Refused
from common.progress import Silent
from drills.kit.phases import Recovery
from drills.kit.record import Run
from drills.kit.registry import Drill, drills
from drills.soak import readings as readings_module
from drills.soak import soak as module
from drills.soak.growth import Growth, Reading, grown
from drills.soak.report import html_report, plot
from drills.soak.soak import run_soak
from drills.soak.turns import NOT_SOAKED, Turn, soaked, turns
from tests.simulation.cloud import simulated_cloud
from tests.unit.deploy.builders import an_environment
from tests.unit.drills.test_run import a_cluster


def a_drill(name: str, recovery: Recovery = Recovery.HEAD, run: Any = None) -> Drill:
    found = ModuleType(f"drills.{name}", "An example.")
    vars(found).update(run=run or (lambda cluster: None), RECOVERY=recovery)
    return Drill(found)


SMALL_GROUP = {"instance_types": ["m6i.large"], "min": 1, "max": 2}
CONNECTIONS = 300
HEADS = tuple(a_drill(f"head_{number}") for number in range(10))
WORKER = a_drill("worker", Recovery.WORKERS)


def first(count: int, seed: int) -> list[Turn]:
    return list(islice(turns((*HEADS, WORKER), seed), count))


def test_a_seed_draws_the_same_turns_and_another_seed_others() -> None:
    assert first(40, seed=7) == first(40, seed=7)
    assert first(40, seed=7) != first(40, seed=8)


def test_every_drill_comes_once_before_any_comes_again() -> None:
    names = [turn.first.name for turn in first(22, seed=3)]

    assert len(set(names[:11])) == len(set(names[11:])) == 11
    assert names[:11] != names[11:]


def test_now_and_then_a_worker_is_broken_on_top_of_the_head() -> None:
    pairs = [turn for turn in first(220, seed=1) if turn.second]

    assert 20 <= len(pairs) <= 60
    assert {turn.second.name for turn in pairs if turn.second} == {"worker"}
    assert {turn.recovery for turn in pairs} == {Recovery.HEAD}
    assert all(0 <= turn.apart <= 10 for turn in pairs)
    assert pairs[0].name.endswith("+worker")
    assert pairs[0].within == pytest.approx(360 + pairs[0].apart)


def test_what_comes_on_top_breaks_workers_alone() -> None:
    drawn = islice(turns(drills(), seed=1), 500)

    assert {turn.second.name for turn in drawn if turn.second} == {
        *("all_workers_killed", "worker_killed", "worker_raylet_hung")
    }


def test_nothing_comes_on_top_of_what_hides_systems_manager() -> None:
    hidden = tuple(drill for drill in drills() if drill.name.startswith("ssm_down"))
    drawn = islice(turns((*hidden, WORKER), seed=1), 300)

    assert len(hidden) == 2
    assert {(turn.first.name, turn.second) for turn in drawn} == {
        ("ssm_down", None),
        ("ssm_down_at_boot", None),
        ("worker", None),
    }


def test_both_faults_of_a_pair_are_injected_and_the_second_one_later() -> None:
    cluster = a_cluster()
    begun = cluster.clock.now()
    at: list[tuple[str, float]] = []
    head = a_drill("head", run=lambda c: at.append(("head", begun)))
    worker = a_drill("worker", run=lambda c: at.append(("worker", c.clock.now())))

    Turn(head, worker, 4.0).run(cluster)

    assert sorted(at) == [("head", begun), ("worker", begun + 4.0)]


def test_a_second_drill_that_fails_fails_the_turn() -> None:
    def fail(cluster: object) -> None:
        raise PipelineError("no raylet")

    with pytest.raises(PipelineError, match="no raylet"):
        Turn(a_drill("head"), a_drill("worker", run=fail)).run(a_cluster())


def test_what_deploys_is_left_out_and_every_name_is_a_drills() -> None:
    names = {drill.name for drill in drills()}
    local = soaked(drills(), an_environment(provider="localcloud"))
    on_aws = soaked(drills(), an_environment(provider="aws"))

    assert names >= NOT_SOAKED
    assert {"gcs_killed", "head_terminated", "worker_killed", "power_lost"} <= {
        drill.name for drill in local
    }
    assert {"deployer_killed", "ten_losses_in_a_row"} & {drill.name for drill in local} == set()
    assert {"power_lost"} & {drill.name for drill in on_aws} == set()
    assert {drill.name for drill in on_aws} < {drill.name for drill in local}


def over_time(**values: Sequence[float]) -> list[Reading]:
    return [
        Reading(60.0 * number, dict(zip(values, row, strict=True)))
        for number, row in enumerate(zip(*values.values(), strict=True))
    ]


def test_what_grows_after_the_warm_up_is_named() -> None:
    found = grown(
        over_time(
            leak=[1, 2, 30, 32, 40, 42, 50, 52],
            steady=[1, 9, 30, 32, 31, 30, 32, 31],
            volumes=[8, 8, 8, 8, 9, 9, 9, 9],
            shrinks=[90, 80, 70, 60, 50, 40, 30, 20],
        )
    )

    assert found == (Growth("leak", 31.0, 51.0, 5, 5), Growth("volumes", 8.0, 9.0, 1, 5))
    assert str(found[1]) == "volumes grew from 8 to 9"


# Open files of heads, in two real soaks that left nothing.
REAL_A = [
    530,
    568,
    545,
    553,
    557,
    550,
    562,
    564,
    559,
    579,
    534,
    544,
    552,
    542,
    545,
    536,
    544,
    549,
    554,
    566,
    561,
    576,
    576,
    578,
    585,
    596,
    562,
    544,
    560,
    534,
    538,
    542,
    546,
    561,
    580,
    573,
]
REAL_B = [
    521,
    554,
    532,
    554,
    526,
    554,
    568,
    570,
]
# One more each turn.
LEAK = [1000 + number for number in range(12)]


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("head: files", LEAK, "head: files grew from 1004 to 1010, in 8 of 8 turns"),
        ("files", [9, 2, 5, *LEAK[:9]], "files grew from 1001 to 1007, in 8 of 8 turns"),
        # One turn of eleven leaves nothing.
        (
            "head: open files",
            [*LEAK, 1011, 1012, 1013, 1014],
            "head: open files grew from 1006 to 1012, in 10 of 11 turns",
        ),
    ],
)
def test_one_that_is_left_in_almost_every_turn_is_named(
    name: str, values: list[float], words: str
) -> None:
    assert [str(one) for one in grown(over_time(**{name: values}))] == [words]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("head: open files", REAL_A),
        ("head: open files", REAL_B),
        # A disk fills with logs until they are deleted.
        ("worker: disk", LEAK),
        ("worker: memory", LEAK),
        # Each head that is replaced begins anew.
        ("head: files", [*LEAK[:6], *LEAK[:6]]),
        ("AMIs", [2] * 12),
        # Too few turns to call it steady.
        ("head: files", LEAK[:9]),
    ],
)
def test_what_comes_and_goes_has_not_grown(name: str, values: list[float]) -> None:
    assert grown(over_time(**{name: values})) == ()


def test_of_few_readings_nothing_is_said_and_log_streams_may_grow() -> None:
    assert grown(over_time(leak=[1, 2, 3, 4, 5, 6, 7])) == ()
    assert grown(over_time(**{"log streams": [1, 2, 3, 4, 5, 6, 7, 8]})) == ()


def test_the_page_has_a_plot_of_each_value_and_every_turn() -> None:
    readings = over_time(disk=[100, 150, 120], alarms=[3, 3, 3])
    runs = (a_run("gcs_killed"), a_run("power_lost", "failed", "no <leader>"))

    page = html_report("dev", 5, runs, readings)

    assert page.count("<polyline") == 2
    assert "disk: 100 to 150" in page
    assert "seed 5" in page
    assert "no &lt;leader&gt;" in page
    assert 'class="verdict failed"' in page
    assert "too short to tell what grew: 3 of 8 readings" in page
    assert "log streams (may grow): 1 to 1" in plot(
        "log streams", over_time(**{"log streams": [1.0]})
    )


@pytest.mark.parametrize(
    ("count", "verdict", "said"),
    [
        (7, "failed", "too short to tell what grew: 7 of 8 readings"),
        (8, "done", "Nothing grew."),
    ],
)
def test_the_page_says_whether_there_were_enough_turns(count: int, verdict: str, said: str) -> None:
    page = html_report("dev", 5, [a_run("gcs_killed")], over_time(disk=[100] * count))

    assert said in page
    assert f'class="verdict {verdict}"' in page


def a_run(drill: str, verdict: str = "held", seen: str = "") -> Run:
    return Run("2026-11-29T12:00:00+00:00", drill, "dev", ("a fault",), {}, 1.0, 0.5, verdict, seen)


class Minutes:
    """A clock on which each drill takes ten minutes."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run a soak whose drills are not run, and whose readings are given."""

    def run(minutes: float, *, values: Any = lambda number: {"disk": 1.0}, fails: int = 0) -> Path:
        clock, ran = Minutes(), list[str]()

        def drilled(turn: Turn, cluster: object, *, job_every: float) -> Run:
            clock.at += 600
            ran.append(turn.name)
            if len(ran) == fails:
                return a_run(turn.name, "failed", "no leader")
            return a_run(turn.name)

        monkeypatch.setattr(module, "ensure_deployed", lambda *given: None)
        monkeypatch.setattr(module, "ray_api", lambda *given: None)
        monkeypatch.setattr(module, "SystemClock", lambda: clock)
        monkeypatch.setattr(module, "await_healthy", lambda *given: None)
        monkeypatch.setattr(module, "run_drill", drilled)
        monkeypatch.setattr(module, "read_values", lambda cluster: values(len(ran)))
        return run_soak(
            an_environment(),
            cast(Any, None),
            Silent(),
            home=tmp_path,
            minutes=minutes,
            seed=1,
            job_every=0.2,
        )

    return run


def test_a_soak_ends_with_the_turn_in_which_its_time_is_up(soak: Any) -> None:
    record = json.loads(soak(65).with_suffix(".json").read_text())

    assert [len(record["runs"]), len(record["readings"])] == [7, 8]
    assert [reading["at"] for reading in record["readings"]] == [600 * n for n in range(8)]


def test_a_soak_that_is_too_short_to_tell_fails(soak: Any) -> None:
    with pytest.raises(
        PipelineError, match=r"^too short to tell what grew: 6 of 8 readings"
    ) as few:
        soak(45)

    assert few.value.exit_code == 2
    assert "more --minutes" in few.value.hint


def test_a_turn_that_fails_ends_it_and_is_on_record(soak: Any, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"turn 3, .*: no leader") as failed:
        soak(100, fails=3)

    assert "--seed 1" in failed.value.hint
    (page,) = (tmp_path / "drills").glob("soak-*.html")
    record = json.loads(page.with_suffix(".json").read_text())
    assert [run["verdict"] for run in record["runs"]] == ["held", "held", "failed"]
    assert len(record["readings"]) == 3


def test_what_grew_fails_a_soak_whose_drills_held(soak: Any) -> None:
    with pytest.raises(PipelineError, match="AMIs grew from 12 to 18"):
        soak(80, values=lambda number: {"AMIs": 10.0 + number})


def test_no_time_is_refused(soak: Any) -> None:
    with pytest.raises(Refused, match="--minutes 0 is no time"):
        soak(0)


def test_what_aws_has_is_counted_over_all_pages() -> None:
    with simulated_cloud() as cloud:
        for number in range(12):
            cloud.clients("ssm").put_parameter(Name=f"/{number}", Value="1", Type="String")
        for name, query in readings_module.asked(an_environment()).items():
            for service, operation, key, arguments in query:
                assert cloud.clients(service).can_paginate(operation), name
                assert key in output_of(cloud.clients(service), operation)
                assert arguments.keys() <= input_of(cloud.clients(service), operation)
        count = readings_module.count
        assert count(cloud.clients, "ssm", "describe_parameters", "Parameters", {}) == 12
        assert count(cloud.clients, "ec2", "describe_images", "Images", {"Owners": ["self"]}) == 0


def test_versions_of_every_template_and_streams_of_every_log_group_are_counted() -> None:
    environment = an_environment(workers={"cpu": SMALL_GROUP, "gpu": SMALL_GROUP})
    queries = readings_module.asked(environment)

    assert [arguments for *_, arguments in queries["template versions"]] == [
        {"LaunchTemplateName": "ray-head-dev"},
        {"LaunchTemplateName": "ray-worker-dev.cpu"},
        {"LaunchTemplateName": "ray-worker-dev.gpu"},
    ]
    assert [arguments for *_, arguments in queries["log streams"]] == [
        {"logGroupName": "/raykiln/dev/head"},
        {"logGroupName": "/raykiln/dev/worker"},
        {"logGroupName": "/raykiln/dev/jobs"},
    ]


def test_an_instance_s_files_and_open_connections_are_counted(tmp_path: Path) -> None:
    before = used(tmp_path)
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS))
        for number in range(CONNECTIONS):
            opened.enter_context(socket.create_connection(server.getsockname()))
            (tmp_path / f"{number}").write_text("")
        after = used(tmp_path)

    assert list(after) == ["memory", "disk", "files", "open files", "connections", "processes"]
    assert (before["files"], after["files"]) == (0, CONNECTIONS)
    # Both ends of each; others come and go on this machine meanwhile.
    assert after["connections"] - before["connections"] > 1.5 * CONNECTIONS


def used(folder: Path) -> dict[str, int]:
    """Return what this machine uses, by the script that runs on instances."""
    script = readings_module.usage(str(folder))
    printed = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True)
    return dict(
        zip(readings_module.USED, map(int, printed.stdout.split()), strict=True),
    )


@pytest.mark.parametrize(
    ("standby", "groups", "said"),
    [
        (0, ["a"], ["no head stands by", "there is one group of workers"]),
        (1, ["a"], ["there is one group of workers"]),
        (0, ["a", "b"], ["no head stands by"]),
        (1, ["a", "b"], []),
    ],
)
def test_what_a_soak_leaves_out_is_said_before_it_begins(
    standby: int,
    groups: list[str],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    printed: list[str] = []
    monkeypatch.setattr(
        module, "run_soak", lambda *_, **__: printed.append(capsys.readouterr().out)
    )
    environment = an_environment(
        provider="localcloud",
        head={"instance_type": "m6i.large", "standby": standby},
        workers=dict.fromkeys(groups, SMALL_GROUP),
    )

    command.soak(environment, 30, 1, 0.2, yes=False)

    lines = printed[0].splitlines()
    for words, line in zip(said, lines, strict=True):
        assert line.startswith(f"this soak leaves something out: {words}")


def output_of(client: Any, operation: str) -> set[str]:
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
    return set(model.output_shape.members)


def input_of(client: Any, operation: str) -> set[str]:
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
    return set(model.input_shape.members)
