"""The cluster's secrets: made once, never shown, replaced only by a rotation."""

import re
from typing import Any

import pytest

from common.errors import PipelineError, Refused
from deploy.cluster.secret import (
    Secret,
    ensure_secret,
    find_secret,
    remove_secret,
    replace_secret,
    secret_value,
)
from tests.unit.answers import Answers, refused

NAME = "/ray/dev/redis_password"
GONE = refused("ParameterNotFound")
STORED = {"Parameter": {"Type": "SecureString", "Version": 3, "Value": "v"}}


def test_a_secret_is_found_without_its_value() -> None:
    aws: Any = Answers(get_parameter=STORED)

    assert find_secret(aws, NAME) == Secret(NAME, 3)
    assert aws.requests == [("ssm:get_parameter", {"Name": NAME})]
    assert find_secret(Answers(get_parameter=GONE), NAME) is None  # type: ignore[arg-type]


def test_a_parameter_that_is_not_encrypted_is_refused() -> None:
    plain: Any = Answers(get_parameter={"Parameter": {"Type": "String", "Version": 1}})

    with pytest.raises(Refused) as caught:
        find_secret(plain, NAME)

    assert caught.value.message == f"the parameter {NAME} is a String, not a SecureString"
    assert caught.value.hint == (
        f"delete it (aws ssm delete-parameter --name {NAME}) and deploy again"
    )


def test_a_missing_secret_is_made_of_32_random_bytes_and_tagged() -> None:
    aws: Any = Answers(get_parameter=[GONE, STORED], put_parameter={})

    assert ensure_secret(aws, NAME, {"project": "raykiln"}) == Secret(NAME, 3)

    (made,) = (request for name, request in aws.requests if name == "ssm:put_parameter")
    assert re.fullmatch("[0-9a-f]{64}", made.pop("Value"))
    assert made == {
        "Name": NAME,
        "Description": "Ray's token, made by Raykiln; invoke token.rotate replaces it",
        "Type": "SecureString",
        "Tags": [{"Key": "project", "Value": "raykiln"}],
    }


def test_a_missing_secret_may_be_a_copy_of_another() -> None:
    aws: Any = Answers(get_parameter=[GONE, STORED, STORED], put_parameter={})

    ensure_secret(aws, NAME, {}, "what it is for", source="/ray/dev/former")

    assert aws.requests[1:3] == [
        ("ssm:get_parameter", {"Name": "/ray/dev/former", "WithDecryption": True}),
        (
            "ssm:put_parameter",
            {
                "Name": NAME,
                "Description": "what it is for",
                "Value": "v",
                "Type": "SecureString",
                "Tags": [],
            },
        ),
    ]


def test_an_existing_secret_is_not_changed() -> None:
    aws: Any = Answers(get_parameter=STORED)

    assert ensure_secret(aws, NAME, {}) == Secret(NAME, 3)
    assert len(aws.requests) == 1


def test_a_secret_that_another_deployer_made_meanwhile_is_used() -> None:
    there = refused("ParameterAlreadyExists")
    aws: Any = Answers(get_parameter=[GONE, STORED], put_parameter=there)

    assert ensure_secret(aws, NAME, {}) == Secret(NAME, 3)


def test_what_was_made_and_cannot_be_read_is_refused() -> None:
    aws: Any = Answers(get_parameter=GONE, put_parameter={})

    with pytest.raises(Refused) as caught:
        ensure_secret(aws, NAME, {})

    assert caught.value.message == f"the secret {NAME} was created but cannot be read"
    assert caught.value.hint == "deploy again"


def test_the_value_of_a_secret_is_decrypted() -> None:
    aws: Any = Answers(get_parameter=STORED)

    assert secret_value(aws, NAME) == "v"
    assert aws.requests == [("ssm:get_parameter", {"Name": NAME, "WithDecryption": True})]


def test_without_a_secret_there_is_no_value() -> None:
    with pytest.raises(Refused) as caught:
        secret_value(Answers(get_parameter=GONE), NAME)  # type: ignore[arg-type]

    assert (caught.value.message, caught.value.hint) == (
        f"there is no secret {NAME}",
        "deploy again",
    )


def test_a_rotation_gives_the_secret_another_value_each_time() -> None:
    aws: Any = Answers(put_parameter={})

    replace_secret(aws, NAME)
    replace_secret(aws, NAME)

    values = [request.pop("Value") for _, request in aws.requests]
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in values)
    assert len(set(values)) == 2
    stays = {"Name": NAME, "Type": "SecureString", "Overwrite": True}
    assert aws.requests == [("ssm:put_parameter", stays)] * 2


def test_a_secret_is_deleted_if_it_exists() -> None:
    aws: Any = Answers(delete_parameter=[{}, GONE])

    remove_secret(aws, NAME)
    remove_secret(aws, NAME)

    assert aws.requests == [("ssm:delete_parameter", {"Name": NAME})] * 2


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (find_secret, "reading the secret"),
        (secret_value, "reading the secret"),
        (replace_secret, "replacing the secret"),
        (remove_secret, "deleting the secret"),
    ],
)
def test_a_refusal_names_the_secret(act: Any, words: str) -> None:
    no = refused("ThrottlingException")

    with pytest.raises(PipelineError, match=f"^{words} {NAME}"):
        act(Answers(get_parameter=no, put_parameter=no, delete_parameter=no), NAME)
