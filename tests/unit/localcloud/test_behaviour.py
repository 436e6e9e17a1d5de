"""The behaviour of the local cloud, as its environment variable sets it."""

import pytest

from localcloud.behaviour import IDEALIZED, LIKE_AWS, Behaviour, parse


@pytest.mark.parametrize(
    ("setting", "behaviour"),
    [
        ("", IDEALIZED),
        ("idealized", IDEALIZED),
        ("aws", LIKE_AWS),
        ("registration=60,fail_open=1", Behaviour(registration=60.0, fail_open=True)),
        ("group_health=30", Behaviour(group_health=30.0)),
    ],
)
def test_a_behaviour_is_set_by_name_or_by_its_fields(setting: str, behaviour: Behaviour) -> None:
    assert parse(setting) == behaviour


@pytest.mark.parametrize("setting", ["unknown", "registration", "speed=1", "registration=soon"])
def test_anything_else_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"RAYKILN_BEHAVIOUR|could not convert"):
        parse(setting)
