"""A deploy of the pipeline in a separate process, which a drill can kill.

    python -m drills.documents.kit.deployer ENV --image URI@DIGEST --worker-memory 5120

Deploys ENV as its file says, with this image and, if given, workers of another size, without
asking. Prints a line of JSON for each step and for the outcome, and exits as
`invoke documents.deploy` does. Touches AWS.
"""

import argparse
import sys

from common.clients import Clients
from common.environment import Environment, load_environment
from common.errors import PipelineError
from common.waiting import SystemClock
from deploy.documents.deploy import Deployment
from deploy.documents.image import GivenImage
from drills.kit.deployer import StepPrinter, content_of, print_event


def changed(environment: Environment, image: str, worker_memory: int) -> Environment:
    """Return the environment with this image, and workers of so many MiB unless it is 0."""
    desired = content_of(environment)
    desired["documents"]["image"] = image
    if worker_memory:
        desired["documents"]["worker"]["memory"] = worker_memory
    return Environment.model_validate(desired)


def main() -> None:
    """Deploy, and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("env")
    parser.add_argument("--image", required=True)
    parser.add_argument("--worker-memory", type=int, default=0)
    options = parser.parse_args()
    try:
        environment = changed(load_environment(options.env), options.image, options.worker_memory)
        clients = Clients(environment.region)
        deployment = Deployment(environment, clients, SystemClock(), GivenImage(options.image))
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
