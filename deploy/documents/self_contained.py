"""The template in a file, for whoever gives it to CloudFormation himself. Touches no AWS."""

import json
from pathlib import Path

from common.environment import Environment
from common.whole_file import write_files
from deploy.documents.body import template_body
from deploy.documents.desired_stack import parameters
from deploy.foundation.stack import Foundation


def write_template(path: Path, runs_on: str = "fargate") -> Path:
    """Write the one template, which needs no other file; return where.

    Raises Refused when the file cannot be written.
    """
    return _written(path, template_body(runs_on))


def write_parameters(
    path: Path, environment: Environment, cluster: Foundation | None = None
) -> Path:
    """Write an environment's parameters beside a template, as ``--parameters file://`` takes them.

    They hold no secret. See ``parameters`` for ``cluster``; raises Refused when the file cannot be
    written.
    """
    pairs = [
        {"ParameterKey": key, "ParameterValue": value}
        for key, value in sorted(parameters(environment, cluster=cluster).items())
    ]
    return _written(path.with_suffix(".parameters.json"), f"{json.dumps(pairs, indent=2)}\n")


def _written(path: Path, text: str) -> Path:
    write_files({path: text}, hint="name a file that can be written")
    return path
