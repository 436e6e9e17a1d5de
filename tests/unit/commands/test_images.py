"""What a person reads after a bake, and of the images that there are."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from invoke.parser import Parser

from bake.bake import BakeResult
from bake.catalog import Image
from bake.wanted import WantedImage
from commands.images import lines_of, promotion_to, row_of
from common.errors import Refused
from deploy.release import promotion
from tasks import namespace
from tests.unit.deploy.builders import an_environment

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def an_image(ami_id: str, name: str = "", verified: str = "2026-11-22T00:00:00Z") -> Image:
    return Image(
        *(ami_id, "worker", "d" * 64, "2.60.0", "abc", "2026-11-22", verified, "x86_64"), name=name
    )


def test_each_image_has_a_line_that_says_what_was_done() -> None:
    images = {
        WantedImage("head"): an_image("ami-1"),
        WantedImage("worker"): an_image("ami-2"),
        WantedImage("worker", "gpu"): an_image("ami-3"),
    }
    new, tested = (WantedImage("worker"),), (WantedImage("worker", "gpu"),)

    assert list(lines_of(BakeResult(images, new, tested, None))) == [
        "head: ami-1 dddddddddddd verified, nothing to do",
        "worker: ami-2 dddddddddddd baked and verified",
        "worker gpu: ami-3 dddddddddddd tested again, verified",
    ]


def test_a_row_names_the_image_and_whether_it_is_verified() -> None:
    assert row_of(an_image("ami-1", verified=""), NOW)[1:3] == ("worker", "-")
    assert row_of(an_image("ami-1", verified=""), NOW)[-1] == "no"
    assert row_of(an_image("ami-2", "gpu"), NOW)[2] == "gpu"


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "available"),
        ({"deprecated": "2027-11-22T00:00:00Z"}, "available"),
        ({"deprecated": "2026-11-20T00:00:00Z"}, "deprecated"),
        ({"deprecated": "2026-11-20T00:00:00Z", "state": "disabled"}, "disabled"),
    ],
)
def test_a_row_says_whether_the_image_is_deprecated_or_disabled(
    fields: dict[str, str], state: str
) -> None:
    assert row_of(dataclasses.replace(an_image("ami-1"), **fields), NOW)[-2] == state


def promotion_of(monkeypatch: pytest.MonkeyPatch, back: bool, source: str, **tables: Any) -> str:
    """Return which plan is asked for: its name, and the source's."""
    monkeypatch.setattr(promotion, "plan_way_back", lambda clients, target: "back")
    monkeypatch.setattr(promotion, "plan_promotion", lambda clients, source, target: source)
    monkeypatch.setattr("common.environment.load_environment", lambda name: f"from {name}")
    return str(promotion_to(an_environment(**tables), source, back))


def test_images_come_from_the_source_of_the_file_unless_another_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    promoting = {"promotion": {"source": "staging"}}

    assert promotion_of(monkeypatch, False, "", **promoting) == "from staging"
    assert promotion_of(monkeypatch, False, "qa", **promoting) == "from qa"
    assert promotion_of(monkeypatch, True, "", **promoting) == "back"
    with pytest.raises(Refused, match="dev names no environment to promote images from"):
        promotion_of(monkeypatch, False, "")


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["images.show", "ami-1"], {"ami": "ami-1"}),
        (["images.diff", "ami-1", "ami-2"], {"old": "ami-1", "new": "ami-2"}),
        (["images.scan", "--ami", "ami-1"], {"ami": "ami-1", "role": ""}),
        (["images.scan", "--role", "head", "--json"], {"ami": "", "role": "head", "json": True}),
        (["images.prune", "--delete-days", "90"], {"days": 30, "delete_days": 90}),
    ],
)
def test_a_command_takes_what_the_page_says(words: list[str], values: dict[str, Any]) -> None:
    (found,) = Parser(contexts=namespace.to_contexts()).parse_argv(words)

    assert {name: found.args[name.replace("_", "-")].value for name in values} == values


def test_an_environment_does_not_promote_to_itself() -> None:
    with pytest.raises(Refused, match=r"promotion\.source: dev is this environment itself"):
        an_environment(promotion={"source": "dev"})
