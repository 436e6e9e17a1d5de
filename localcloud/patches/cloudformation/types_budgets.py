"""AWS::Budgets types.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-budgets-budget.html
moto keeps budgets, counts no cost, and has no UpdateBudget: a changed one is created anew.
"""

from localcloud.account import ACCOUNT
from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Place, ResourceType, register
from localcloud.patches.internal import call


@register
class Budget(ResourceType):
    type_name = "AWS::Budgets::Budget"
    replacing = frozenset({"NotificationsWithSubscribers"})
    properties = frozenset({"Budget", "NotificationsWithSubscribers"})
    required = frozenset({"Budget"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        budget = dict(properties["Budget"])
        budget.setdefault("BudgetName", place.name(100))
        self._create(place, budget, properties)
        return str(budget["BudgetName"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old:
            call("budgets", "delete_budget", AccountId=place.account, BudgetName=physical_id)
            self._create(place, {**new["Budget"], "BudgetName": physical_id}, new)

    def _create(self, place: Place, budget: Tree, properties: Tree) -> None:
        limit = budget["BudgetLimit"]
        amount = {"Amount": str(limit["Amount"]), "Unit": limit["Unit"]}
        call(
            "budgets",
            "create_budget",
            AccountId=place.account,
            Budget={**budget, "BudgetLimit": amount},
            NotificationsWithSubscribers=properties.get("NotificationsWithSubscribers", []),
        )

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("budgets", "delete_budget", AccountId=ACCOUNT, BudgetName=physical_id)
