"""What a pipeline costs a month, from the price list, and what other choices would cost. No AWS.

Head and workers by the hour, the way out of the VPC, secrets, alarms and metrics. Storage,
requests, logs, traffic and what OpenAI and Pinecone take depend on the documents: not in it.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import yaml

from common.document_settings import Documents, TaskSize
from common.environment import Environment
from common.errors import Refused
from deploy.documents.body import template_body
from deploy.plan.price_table import PipelinePrices
from deploy.plan.prices import HOURS, pipeline_prices, price_date

ZONES = 2
METRICS = 5  # those that the head reports (documents/reporting.py)


@dataclass(frozen=True)
class Cost:
    """Dollars a month of one choice; workers cost between ``least`` and ``most``."""

    choice: str
    head: float
    least: float
    most: float
    network: float
    rest: float

    @property
    def row(self) -> tuple[str, ...]:
        """Return it as a row of the table."""
        fixed = self.head + self.network + self.rest
        return (
            self.choice,
            _dollars(self.head),
            _range(self.least, self.most),
            _dollars(self.network),
            _dollars(self.rest),
            _range(fixed + self.least, fixed + self.most),
        )


COLUMNS = ("choice", "head", "workers", "network", "secrets, alarms", "total a month")


def costs(environment: Environment) -> tuple[Cost, ...]:
    """Return the cost of the environment's choice, then of others.

    Raises Refused where there are no prices for its region.
    """
    prices = pipeline_prices(environment.region)
    if prices is None:
        raise Refused(
            f"there are no prices of {environment.region} in deploy/plan/prices.toml",
            hint="add them, from AWS's pricing pages",
        )
    documents = environment.documents
    chosen = _cost("as it is", documents, prices)
    if documents.on_cluster:
        return (chosen,)
    others = [replace(chosen, choice="paused", head=0.0, least=0.0, most=0.0)]
    for choice, changed in _alternatives(documents):
        others.append(_cost(choice, changed, prices))
    return (chosen, *others)


def note() -> str:
    """Return what a reader of the table must know."""
    return (
        f"Prices of {price_date()}; workers from min to max, all month. Without storage, requests, "
        "logs, traffic, OpenAI and Pinecone. Spot is up to 70 % cheaper: the price varies."
    )


def _alternatives(documents: Documents) -> list[tuple[str, Documents]]:
    found = []
    for percent, words in ((0, "no worker on Spot"), (100, "every worker on Spot")):
        if documents.worker.spot_percent != percent:
            worker = documents.worker.model_copy(update={"spot_percent": percent})
            found.append((words, documents.model_copy(update={"worker": worker})))
    if documents.network == "own":
        for words, nat, endpoints in (
            ("a NAT, no endpoints", True, False),
            ("endpoints, no NAT", False, True),
        ):
            if (documents.nat, documents.endpoints) != (nat, endpoints):
                update = {"nat": nat, "endpoints": endpoints}
                found.append((words, documents.model_copy(update=update)))
    return found


def _cost(choice: str, documents: Documents, prices: PipelinePrices) -> Cost:
    resources = _resources(documents.runs_on)
    alarms = sum(one["Type"] == "AWS::CloudWatch::Alarm" for one in resources)
    kept = sum(one["Type"] == "AWS::SecretsManager::Secret" for one in resources)
    rest = alarms * prices.alarm_month + kept * prices.secret_month + METRICS * prices.metric_month
    if documents.on_cluster:  # its instances are the cluster's, in `invoke cost`
        return Cost(choice, head=0.0, least=0.0, most=0.0, network=0.0, rest=rest)
    worker = documents.worker
    spot = worker.spot_percent / 100 * prices.spot_discount
    each = _task(worker, prices) * (1 - spot)
    return Cost(
        choice,
        head=_task(documents.head, prices),
        least=worker.min * each,
        most=worker.max * each,
        network=_network(documents, prices),
        rest=rest,
    )


def _task(size: TaskSize, prices: PipelinePrices) -> float:
    hour = size.cpu / 1024 * prices.vcpu_hour + size.memory / 1024 * prices.gib_hour
    return hour * HOURS


def _network(documents: Documents, prices: PipelinePrices) -> float:
    """Return what the way out costs; that of a cluster is the cluster's."""
    if documents.network == "cluster":
        return 0.0
    nat = prices.nat_hour + prices.address_hour if documents.nat else 0.0
    interfaces = sum(
        one["Type"] == "AWS::EC2::VPCEndpoint"
        and one["Properties"]["VpcEndpointType"] == "Interface"
        for one in _resources(documents.runs_on)
    )
    endpoints = interfaces * ZONES * prices.endpoint_hour if documents.endpoints else 0.0
    return (nat + endpoints) * HOURS


@cache
def _resources(runs_on: str) -> tuple[dict[str, Any], ...]:
    """Return the template's resources; CloudFormation's functions are left out."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda *_: None)
    return tuple(yaml.load(template_body(runs_on), Loader)["Resources"].values())  # noqa: S506 # safe


def _dollars(amount: float) -> str:
    return f"${amount:,.0f}"


def _range(least: float, most: float) -> str:
    return _dollars(least) if least == most else f"{_dollars(least)} to {_dollars(most)}"
