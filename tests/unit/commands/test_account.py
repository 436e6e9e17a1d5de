"""What the commands account.* print."""

from pathlib import Path
from typing import Any

import pytest

from commands.account import write_templates
from common.errors import Refused
from deploy.account.desired_copies import copies_stack
from tests.unit.deploy.builders import an_environment

COMMAND = "aws iam create-service-linked-role --aws-service-name"
ALWAYS = ["autoscaling.amazonaws.com", "elasticloadbalancing.amazonaws.com"]
SPOT_WORKERS = {"cpu": {"instance_types": ["m6i.large"], "min": 0, "max": 1, "market": "spot"}}
STORED = {"instance_type": "m6i.large", "state": "redis", "redis_node_type": "cache.t4g.small"}


ARN = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    ("account", "lines"),
    [
        ({"repository": "acme/ray"}, [f'oidc_provider_arn = "{ARN}"']),
        ({"repository": "acme/ray", "oidc_provider_arn": ARN}, []),
        ({}, []),
    ],
)
def test_a_template_comes_with_the_provider_that_the_account_may_have(
    account: dict[str, str],
    lines: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_templates(an_environment(account=account), tmp_path / "account.yaml")

    said = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in said if line.startswith("oidc_provider_arn")] == lines


@pytest.mark.parametrize(
    ("settings", "services"),
    [
        ({}, ALWAYS),
        ({"workers": SPOT_WORKERS}, [*ALWAYS, "spot.amazonaws.com"]),
        ({"head": STORED}, [*ALWAYS, "elasticache.amazonaws.com"]),
    ],
)
def test_a_template_comes_with_the_commands_of_the_service_linked_roles_that_it_cannot_make(
    settings: dict[str, Any],
    services: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_templates(an_environment(**settings), tmp_path / "account.yaml")

    lines = capsys.readouterr().out.splitlines()
    said = [line.strip() for line in lines if "create-service-linked-role" in line]
    assert said == [f"{COMMAND} {service}" for service in services]


def test_templates_that_cannot_all_be_written_are_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = an_environment(account={"copies_to": ["111122223333"]})
    (tmp_path / f"{copies_stack(environment)}.yaml").mkdir()

    with pytest.raises(Refused, match="Is a directory"):
        write_templates(environment, tmp_path / "account.yaml")

    assert not (tmp_path / "account.yaml").exists()
    assert capsys.readouterr().out == ""
