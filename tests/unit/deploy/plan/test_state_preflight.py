"""A head image from before a Redis had its own password is refused once the two differ."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from common.environment import Environment
from deploy.cluster.release_images import FoundImage
from deploy.plan.state_preflight import state_findings
from tests.unit.deploy.builders import a_release, an_environment
from tests.unit.deploy.plan.findings import marked

TOKEN, PASSWORD = "/ray/dev/redis_password", "/ray/dev/state_password"
SAME, DIFFERENT = {TOKEN: "a", PASSWORD: "a"}, {TOKEN: "a", PASSWORD: "b"}
KEEPING = {"instance_type": "m6i.large", "state": "redis", "redis": "redis.example:6379"}


class FakeSsm:
    """Has these secrets."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.secrets = secrets

    def __call__(self, service: str) -> "FakeSsm":
        assert service == "ssm"
        return self

    def get_parameter(self, Name: str, **_: Any) -> Any:  # noqa: N803
        if Name not in self.secrets:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")
        value = self.secrets[Name]
        return {"Parameter": {"Type": "SecureString", "Version": 1, "Name": Name, "Value": value}}


def found(
    secrets: dict[str, str], contract: int = 3, environment: Environment | None = None
) -> list[str]:
    clients: Any = FakeSsm(secrets)
    images = {"ami-head": FoundImage("ami-head", "x86_64", 20, contract)}
    environment = environment or an_environment(head=KEEPING)
    return marked(state_findings(clients, environment, a_release(), images))


def test_an_image_that_takes_the_token_for_the_password_is_refused_once_they_differ() -> None:
    assert found(DIFFERENT) == [
        "!the head image ami-head takes Ray's token for the password of its Redis, and they differ "
        "by now → choose a release that is newer, or deploy"
    ]


@pytest.mark.parametrize("secrets", [SAME, {}, {TOKEN: "a"}, {PASSWORD: "a"}])
def test_before_they_differ_it_may_serve(secrets: dict[str, str]) -> None:
    assert found(secrets) == []


def test_an_image_that_knows_the_password_may_serve() -> None:
    assert found(DIFFERENT, contract=4) == []


def test_heads_without_a_redis_may_be_of_any_image() -> None:
    assert found(DIFFERENT, environment=an_environment()) == []


def test_an_image_that_is_gone_is_for_others_to_name() -> None:
    clients: Any = FakeSsm(DIFFERENT)

    assert state_findings(clients, an_environment(head=KEEPING), a_release(), {}) == ()
