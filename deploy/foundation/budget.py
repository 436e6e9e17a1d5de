"""The budget of an environment, generated where one is set. Pure: no AWS.

It counts what has the environment's tag, once that is active as a cost allocation tag:
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html
"""

import json
from hashlib import sha256
from typing import Any

from common.environment import Environment
from node.contract import ENVIRONMENT_TAG

# Percent of the budget: what has been spent, and what AWS forecasts for the month.
NOTIFICATIONS = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))


def budget_sections(environment: Environment) -> dict[str, dict[str, Any]]:
    """Return what the budget adds to the template's sections; nothing where none is set.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-budgets-budget.html
    """
    budget = environment.budget
    if not budget.dollars_per_month:
        return {}
    limit = {"Amount": budget.dollars_per_month, "Unit": "USD"}
    # A tag that a user gave has this prefix, and its value after a $:
    # https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html
    tagged = f"user:{ENVIRONMENT_TAG}${environment.name}"
    subscribers = [{"SubscriptionType": "EMAIL", "Address": one} for one in budget.emails]
    notifications = [
        {
            "Notification": {
                "NotificationType": kind,
                "ComparisonOperator": "GREATER_THAN",
                "Threshold": percent,
            },
            "Subscribers": subscribers,
        }
        for kind, percent in NOTIFICATIONS
    ]
    # Other notifications are another budget, whose name must not be taken.
    properties = {
        "Budget": {
            "BudgetName": f"raykiln-{environment.name}-{digest(notifications)}",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": limit,
            "CostFilters": {"TagKeyValue": [tagged]},
        },
        "NotificationsWithSubscribers": notifications,
    }
    return {"Resources": {"Budget": {"Type": "AWS::Budgets::Budget", "Properties": properties}}}


def digest(value: object) -> str:
    """Return the first eight digits of the SHA-256 of plain data."""
    return sha256(json.dumps(value).encode()).hexdigest()[:8]
