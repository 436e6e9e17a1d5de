"""Ray's own check of the autoscaler's YAML: what it says, and what a failure of it means.

The real Ray is asked in tests/image/test_ray.py.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from node.ray import config_check
from node.ray.config_check import outcome, reason, refusal
from node.ray.token import NotNow

UNEXPECTED = "Additional properties are not allowed ('max_worker' was unexpected)"


class FakeUtil:
    """ray.autoscaler._private.util, which raises what it is given."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def prepare_config(self, config: dict[str, Any]) -> dict[str, Any]:
        return config | {"prepared": True}

    def validate_config(self, config: dict[str, Any]) -> None:
        assert config["prepared"]
        if self._error:
            raise self._error


class SchemaError(Exception):
    """Has what jsonschema's ValidationError has."""

    def __init__(self, message: str, *place: str) -> None:
        super().__init__(f"{message}\n\nFailed validating in schema:\n    ...")
        self.message, self.absolute_path = message, place


def test_what_ray_accepts_is_accepted() -> None:
    assert outcome({}, FakeUtil()) == "accepted"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SchemaError(UNEXPECTED), UNEXPECTED),
        (
            SchemaError("'5' is not of type 'number'", "idle_timeout_minutes"),
            "idle_timeout_minutes: '5' is not of type 'number'",
        ),
        (ValueError("two\nlines"), "two lines"),
        (KeyError("setup_commands"), "the key 'setup_commands' is missing"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_a_refusal_is_one_line_with_the_place(error: Exception, line: str) -> None:
    assert outcome({}, FakeUtil(error)) == f"refused: {line}"


def test_a_reason_has_a_bounded_length() -> None:
    assert len(reason(ValueError("x" * 9000))) == 300


def running(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have the check run a shell script in place of Ray."""
    real = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        assert command[1:] == ["-m", "node.ray.config_check", "a.yaml"]
        return real(["sh", "-c", script], **options)

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo accepted", ""),
        ("echo 'a word of a library'; echo accepted", ""),
        ("echo 'refused: max_workers is missing'", "max_workers is missing"),
    ],
)
def test_the_line_that_is_printed_decides(
    monkeypatch: pytest.MonkeyPatch, script: str, why: str
) -> None:
    running(monkeypatch, script)
    assert refusal(Path("a.yaml")) == why


@pytest.mark.parametrize("script", ["true", "kill -9 $$", "echo no Ray >&2; exit 1", "sleep 9"])
def test_a_check_that_says_nothing_may_pass(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(config_check, "SECONDS", 0.5)
    running(monkeypatch, script)

    with pytest.raises(NotNow):
        refusal(Path("a.yaml"))


def test_of_what_a_failed_check_prints_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    running(monkeypatch, "printf 'x%.0s' $(seq 1000) >&2; echo No module named ray >&2; exit 1")

    with pytest.raises(NotNow) as raised:
        refusal(Path("a.yaml"))

    said = str(raised.value)
    assert said.startswith("Ray's check of a.yaml said nothing: xxx")
    assert said.endswith("xxxNo module named ray\n")
    assert said.count("x") < 500
