"""The document pipeline's template: its pieces in one, with the function's code. Pure: no AWS.

Each piece has sections of a template; no name is in two pieces of one template. What is made of
them is complete in itself, and fits into a request (51,200 bytes, CloudFormation quotas).
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from common.checkout import REPOSITORY
from deploy.foundation.body import shortened

PIECES = Path(__file__).with_name("template")
FUNCTION = REPOSITORY / "documents" / "events.py"
# What the pipeline has wherever it runs, around what only Fargate or only a cluster needs; in the
# order in which a person reads them.
FIRST = ("parameters",)
RUN_BY = {
    "fargate": ("network", "registry", "tasks", "roles"),
    "ec2": ("instances",),
}
SHARED = ("storage", "queue", "function", "secrets", "vectors", "monitoring", "outputs")


@cache
def template_body(runs_on: str = "fargate") -> str:
    """Return the template as it is sent, and as a person may give it to CloudFormation."""
    pieces = [
        yaml.compose((PIECES / f"{name}.yaml").read_text(), yaml.CSafeLoader)
        for name in (*FIRST, *RUN_BY[runs_on], *SHARED)
    ]
    return shortened(_merged(pieces), FUNCTION)


def _merged(pieces: list[Any]) -> Any:
    """Return the first piece, with the sections of the others added to its own."""
    first, *others = pieces
    sections = {key.value: section for key, section in first.value}
    for piece in others:
        for key, section in piece.value:
            if key.value in sections:
                sections[key.value].value.extend(section.value)
            else:
                sections[key.value] = section
                first.value.append((key, section))
    return first
