"""A deploy of the pipeline in a separate process, which a drill can kill.

    python -m drills.documents.kit.deployer <ENVIRONMENT.json

Deploys the environment that it is given, without asking. Prints a line of JSON for each step and
for the outcome, and exits as `invoke documents.deploy` does. Touches AWS.
"""

import json
import sys

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError
from common.waiting import SystemClock
from deploy.documents.deploy import Deployment
from deploy.documents.image import GivenImage
from drills.kit.deployer import StepPrinter, print_event


def main() -> None:
    """Deploy, and print the outcome."""
    environment = Environment.model_validate(json.load(sys.stdin))
    image = GivenImage(environment.documents.image)
    try:
        clients = Clients(environment.region)
        deployment = Deployment(environment, clients, SystemClock(), image)
        plan = deployment.plan()
        print_event(plan=plan.words)
        if not plan.is_empty:
            deployment.run(plan, StepPrinter())
    except PipelineError as error:
        print_event(error=error.message)
        sys.exit(error.exit_code)
    print_event(error="")


if __name__ == "__main__":
    main()
