"""A deploy of the pipeline in a separate process, which a drill can kill.

    python -m drills.documents.kit.deployer ENV --image URI@DIGEST --altered

Deploys ENV as its file says, without asking, with this image, which is empty on the cluster, and if
altered with other settings. Prints a line of JSON for each step and for the outcome, and exits as
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

MORE_MEMORY = 1024  # MiB, of a worker


def changed(environment: Environment, image: str, altered: bool = False) -> Environment:
    """Return the environment with this image and, if ``altered``, what replaces some that runs.

    On Fargate the workers have more memory. On the cluster the application has another budget, and
    every resource another tag, since what the application is told is changed in a moment.
    """
    desired = content_of(environment)
    documents = desired["documents"]
    documents["image"] = image
    if altered and environment.documents.on_cluster:
        documents["tokens_per_day"] = (environment.documents.tokens_per_day or 0) + 1_000_000
        desired["tags"] = environment.tags | {"drill": "update"}
    elif altered:
        documents["worker"]["memory"] += MORE_MEMORY
    return Environment.model_validate(desired)


def main() -> None:
    """Deploy, and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("env")
    parser.add_argument("--image", required=True)
    parser.add_argument("--altered", action="store_true")
    options = parser.parse_args()
    try:
        environment = changed(load_environment(options.env), options.image, options.altered)
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
