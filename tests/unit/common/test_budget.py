"""[budget]: an amount and who is told, or neither."""

import pytest
from pydantic import ValidationError

from common.environment_tables import Budget


def test_without_a_table_there_is_no_budget() -> None:
    assert Budget().dollars_per_month == 0


@pytest.mark.parametrize(
    "content",
    [
        {"dollars_per_month": 100},
        {"emails": ["one@example.com"]},
        {"dollars_per_month": -1, "emails": ["one@example.com"]},
        {"dollars_per_month": 100, "emails": ["nowhere"]},
        {"dollars_per_month": 100, "emails": [""]},
        {"dollars_per_month": 100, "emails": [f"{n}@example.com" for n in range(11)]},
    ],
)
def test_a_budget_that_would_tell_no_one_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate(content)
