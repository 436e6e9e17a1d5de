"""A drill deploys another release of the same cluster, with its own limits and clock."""

import time
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from common.checkout import REPOSITORY
from common.environment import load_environment
from common.errors import Refused
from common.waiting import SystemClock
from drills.kit.deployer import next_size, shifted_clock, with_change
from drills.kit.deploys import ANOTHER_DEPLOYER, AWAIT_STANDBY, HAND_OVER
from drills.kit.registry import drill_named
from drills.kit.series import warning
from tests.unit.deploy.builders import an_environment, the_settings

LOCAL = load_environment("local")


@pytest.mark.parametrize("change", ["head", "tag"])
def test_a_change_is_another_release_of_the_same_cluster(change: str) -> None:
    other = with_change(LOCAL, change)

    assert the_settings(other) != the_settings(LOCAL)
    assert (other.stack, other.head_group, other.bucket) == (
        LOCAL.stack,
        LOCAL.head_group,
        LOCAL.bucket,
    )


def test_a_change_of_heads_does_not_change_the_workers() -> None:
    other = with_change(LOCAL, "head")

    assert other.head.instance_type == "m6i.xlarge"
    assert other.workers == LOCAL.workers
    assert other.tags == LOCAL.tags


def test_another_limit_is_not_another_release() -> None:
    other = with_change(LOCAL, "none", hand_over_seconds=60)

    assert other.limits.hand_over_seconds == 60
    assert the_settings(other) == the_settings(LOCAL)


def test_what_must_be_attested_of_images_stays() -> None:
    found = an_environment(images={"require": ["tests"], "scan": "high"})

    assert with_change(found, "none") == found
    assert with_change(found, "tag").images_require == ("tests",)


def test_the_next_size_is_of_the_same_family() -> None:
    assert [next_size(size) for size in ("m6g.medium", "m6i.large", "r5.2xlarge")] == [
        "m6g.large",
        "m6i.xlarge",
        "r5.4xlarge",
    ]


def test_a_size_without_a_larger_one_is_refused() -> None:
    with pytest.raises(Refused, match="no larger size"):
        next_size("m6i.8xlarge")


@pytest.mark.parametrize("words", [AWAIT_STANDBY, HAND_OVER, ANOTHER_DEPLOYER])
def test_deploy_has_the_words_that_drills_wait_for(words: str) -> None:
    assert any(words in path.read_text() for path in (REPOSITORY / "deploy").rglob("*.py"))


def test_the_clock_is_shifted_until_the_end_of_the_block() -> None:
    before = time.time()
    with shifted_clock(240.0):
        assert SystemClock().now() - before == pytest.approx(240.0, abs=1.0)
        assert signed_at() - before == pytest.approx(240.0, abs=1.0)
    assert SystemClock().now() - before == pytest.approx(0.0, abs=1.0)
    assert signed_at() - before == pytest.approx(0.0, abs=1.0)


def signed_at() -> float:
    """Return the time that a request's signature has."""
    request = AWSRequest("GET", "https://sts.us-east-1.amazonaws.com/")
    SigV4Auth(Credentials("key", "secret"), "sts", "us-east-1").add_auth(request)
    signed = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    return signed.replace(tzinfo=UTC).timestamp()


def test_the_warning_for_aws_says_what_breaks_and_what_it_costs() -> None:
    words = warning(drill_named("head_terminated"), LOCAL, 3)

    assert "head_terminated on local, 3 times: The head's instance is terminated." in words
    assert "m6i.large $0.10 an hour" in words
