"""What is read from docs/first-job.md; tests/cloud/test_first_job.py runs it on a cluster."""

import re
from inspect import signature

import pytest

from tasks import namespace
from tests.cloud.first_job import PAGE, matches, missing, read_page

TEXT = PAGE.read_text("utf-8")
STEPS = read_page(TEXT).steps


def test_the_page_walks_from_nothing_to_nothing() -> None:
    tasks = [found[1] for step in STEPS if (found := re.match(r"\./run\.sh (\S+)", step.command))]

    assert tasks == [
        *("demo", "job.submit", "job.submit", "job.submit", "job.list", "job.stop", "job.logs"),
        *("job.submit", "job.submit", "deploy", "job.submit", "cost"),
        *("job.submit", "job.logs", "head.replace", "job.list", "job.submit"),
        *("pause", "cloud.down"),
    ]


def test_every_command_that_the_page_names_is_one_that_is_run() -> None:
    run = " ".join(step.command for step in STEPS)
    named = re.findall(
        r"(?:invoke|\./run\.sh) ([a-z.-]+)", re.sub(r"^ {4}.*", "", TEXT, flags=re.M)
    )

    assert [name for name in named if f"./run.sh {name}" not in run] == []


@pytest.mark.parametrize("command", [step.command for step in STEPS])
def test_a_command_exists_with_its_options(command: str) -> None:
    ours = command.partition(" -- ")[0].split()
    known = set(signature(namespace[ours[1]].body).parameters) if ours[0] == "./run.sh" else set()
    options = {word[2:].replace("-", "_") for word in ours if word.startswith("--")}

    assert ours[0] != "./run.sh" or options <= known


def test_the_files_are_those_that_the_commands_name() -> None:
    page = read_page(TEXT)

    assert set(page.files) == {
        *("my-folder/hello.py", "my-folder/greet_all.py", "my-folder/gpu.py"),
        *("my-folder/env.yaml", "my-folder/index.yaml"),
        *("my-package/pyproject.toml", "my-package/greet.py"),
    }
    assert set(page.groups) == {"worker", "gpu", "data"}
    assert [step.command.split()[5:7] for step in STEPS if step.beside] == [["-m", "http.server"]]


@pytest.mark.parametrize(
    ("wanted", "line", "same"),
    [
        ("20 pieces on 1 nodes in 1.2 s", "20 pieces on 2 nodes in 33.4 s", True),
        ("20 pieces on 1 nodes in 1.2 s", "21 pieces on 1 nodes in 1.2 s", False),
        ("148933 primes below 2000000", "148932 primes below 2000000", False),
        ("goes on from step 300", "goes on from step 1200", True),
        ("heads 1 m6i.large 0.0960 70.08", "heads  1 m6i.large   0.0960      70.08", True),
        ("heads 1 m6i.large 0.0960 70.08", "heads  1 m6i.large   0.0990      70.08", False),
        ("y = 3.0 x + -1.0 after 2000 steps", "y = 3.0 x + -1.0 after 2000 steps", True),
        ("y = 3.0 x + -1.0 after 2000 steps", "y = 2.9 x + -1.0 after 600 steps", False),
        ("[(0, '10.77.96.6')]", "[(0, '10.77.96.23')]", True),
        ("job-7e52324361ca RUNNING", "job-000000000000  RUNNING  ", True),
        ("job-7e52324361ca LOST", "job-000000000000  SUCCEEDED", False),
    ],
)
def test_a_line_is_held_against_the_page_but_for_what_differs_each_time(
    wanted: str, line: str, same: bool
) -> None:
    assert matches(wanted, line) is same


def test_what_is_not_printed_or_out_of_order_is_missing() -> None:
    assert missing(["a", "c"], "a\nb\nc\n") == []
    assert missing(["c", "a"], "a\nb\nc\n") == ["a"]
    assert missing(["x", "a"], "a\nb\n") == ["x", "a"]
