"""How kind the local cloud is, as its environment variable says."""

import pytest

from localcloud.behaviour import IDEALIZED, LIKE_AWS, Behaviour, chosen


@pytest.mark.parametrize(
    ("words", "behaviour"),
    [
        ("", IDEALIZED),
        ("kind", IDEALIZED),
        ("aws", LIKE_AWS),
        ("registration=60,fail_open=1", Behaviour(registration=60.0, fail_open=True)),
        ("group_health=30", Behaviour(group_health=30.0)),
    ],
)
def test_a_behaviour_is_chosen_by_name_or_by_its_parts(words: str, behaviour: Behaviour) -> None:
    assert chosen(words) == behaviour


@pytest.mark.parametrize("words", ["cruel", "registration", "speed=1", "registration=soon"])
def test_anything_else_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"RAYKILN_BEHAVIOUR|could not convert"):
        chosen(words)
