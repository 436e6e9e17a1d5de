"""How a comparison of images ends."""

from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from bake.tree import Entry, Exceptions, Tree
from bake.tree import compare as compared
from bake.wanted import WantedImage
from commands.images_compare import compare, judge
from common.errors import PipelineError
from deploy.operate.image_compare import ComparedImages

ID = Exceptions({"/id": "each has its own"}, {})


@pytest.fixture(autouse=True)
def one_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exceptions, "read", lambda: ID)


def a_file(content: str) -> Entry:
    return ("file", "0644", 0, 0, {}, content)


def of(old: Tree, new: Tree) -> tuple[ComparedImages, ...]:
    found = compared(old, new, ID)
    return (ComparedImages(WantedImage("head"), ("ami-1", "ami-2"), found, Path("/trees")),)


def test_it_fails_with_the_first_path_that_differs() -> None:
    old, new = {"/a": a_file("1"), "/b": a_file("1")}, {"/a": a_file("2"), "/b": a_file("2")}

    with pytest.raises(PipelineError, match=r"head: /a: content 1 → 2") as failed:
        judge(of(old, new), strict=False)

    assert failed.value.exit_code == 2
    assert failed.value.hint.endswith("the images are kept: ami-1 and ami-2")


def test_an_exception_that_nothing_needs_fails_only_if_that_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = of({"/a": a_file("1")}, {"/a": a_file("1")})

    judge(same, strict=False)
    assert "nothing that differs needs the exception /id" in capsys.readouterr().out

    with pytest.raises(PipelineError, match="/id: nothing that differs needs this exception"):
        judge(same, strict=True)


def test_what_only_differs_as_it_may_passes() -> None:
    judge(of({"/id": a_file("1")}, {"/id": a_file("2")}), strict=True)


@pytest.mark.parametrize(
    ("ami", "role"),
    [(["ami-1"], ""), (["ami-1", "ami-2", "ami-3"], ""), (["ami-1", "ami-2"], "head")],
)
def test_other_than_two_images_or_none_are_refused(ami: list[str], role: str) -> None:
    with pytest.raises(Exit) as refused:
        compare(Context(), ami=ami, role=role)

    assert refused.value.code == 1
    assert "give two ids, without --role and --image; or none" in str(refused.value)
