"""Tasks: what a cluster costs now, and the prices that this is worked out from."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import DEFAULT_ENV, ENV, JSON, clients_of, environment_at

if TYPE_CHECKING:
    from common.environment import Environment
    from deploy.operate.cost import RunningCost


@task(help={"env": ENV, "json": JSON})
def cost(c: Context, env: str = DEFAULT_ENV, json: bool = False) -> None:
    """Show what runs in ENV now and what it costs, by the hour and by the month."""
    with plain_errors():
        found = cost_of_cluster(environment_at(env))
        from deploy.operate.cost import COLUMNS
        from deploy.report.console import console, print_json, show_table

        if json:
            print_json(found.as_json())
            return
        show_table(f"Cost of {found.environment}", COLUMNS, found.rows)
        console.print(found.note, markup=False)


def cost_of_cluster(environment: "Environment") -> "RunningCost":
    """Read what runs; raises Refused where there are no prices of the region."""
    from deploy.cluster.billed import find_billed
    from deploy.cluster.state import read_state
    from deploy.operate.cost import running_cost

    clients = clients_of(environment)
    state = read_state(clients, environment)
    return running_cost(environment, state, find_billed(clients, environment, state.instances))


@task(iterable=["region"], help={"region": "a region's code, such as eu-west-1; several times"})
def prices(c: Context, region: list[str]) -> None:
    """Fetch AWS's price list of each --region, and keep it with today's date."""
    with plain_errors():
        from common.errors import Refused
        from deploy.report.console import console

        if not region:
            raise Refused("no region is named", hint="invoke prices --region eu-west-1")
        for name in region:
            console.print(fetched_prices(name), markup=False)


def fetched_prices(region: str) -> str:
    """Fetch and keep the prices of a region, with AWS's own credentials; say where they are."""
    from datetime import UTC, datetime

    from common.clients import Clients
    from deploy.plan.price_list import ENDPOINT, fetch_prices
    from deploy.plan.price_table import write_prices

    today = datetime.now(UTC).date().isoformat()
    found = fetch_prices(Clients(ENDPOINT), region, today)
    path = write_prices(region, found)
    return f"{region}: {len(found.hour)} instance types, prices of {today}, in {path}"
