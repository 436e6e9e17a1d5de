"""Task documents.template: the stack's template, to be given to CloudFormation by hand."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import DEFAULT_ENV, ENV, clients_of, environment_at

if TYPE_CHECKING:
    from common.environment import Environment
    from deploy.foundation.stack import Foundation


@task(
    help={
        "file": "where to write it (default: ray-documents.yaml)",
        "parameters": "write the parameters of ENV too, into a JSON file beside it",
        "env": ENV,
    }
)
def template(
    c: Context, file: str = "ray-documents.yaml", parameters: bool = False, env: str = DEFAULT_ENV
) -> None:
    """Write the documents' stack as one template, which the CloudFormation console takes."""
    with plain_errors():
        write(file, env if parameters else "")


def write(file: str, env: str) -> None:
    """Write the template, with an environment also its parameters, and say how to use them."""
    from pathlib import Path

    from common.environment import load_environment
    from deploy.documents.self_contained import write_parameters, write_template
    from deploy.report.console import console

    path = Path(file).absolute()
    environment = load_environment(env) if env else None
    told = f"S3BucketName is all that {path.name} has to be told."
    if environment:
        beside = write_parameters(path, environment, cluster_of(environment))
        told = f"{beside} has its parameters; it creates {environment.documents_stack}."
    runs_on = environment.documents.runs_on if environment else "fargate"
    console.print(str(write_template(path, runs_on)), markup=False, soft_wrap=True)
    console.print(told, markup=False, soft_wrap=True)


def cluster_of(environment: "Environment") -> "Foundation | None":
    """Return the cluster that the documents run on, or use the network of; None for neither."""
    documents = environment.documents
    if documents.network == "own" and not documents.on_cluster:
        return None
    from deploy.foundation.stack import find_foundation

    environment = environment_at(environment.name)
    return find_foundation(clients_of(environment), environment)
