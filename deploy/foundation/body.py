"""The text that CloudFormation is given: the template with its function's code in it. Pure: no AWS.

A request takes 51,200 bytes of template (CloudFormation quotas); what is there for its readers
alone stays in the repository. The code within may be of any length:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
"""

import ast
import json
from functools import cache
from pathlib import Path

TEMPLATE = Path(__file__).with_name("template.yaml")
FUNCTION = Path(__file__).with_name("remediation.py")


@cache
def template_body() -> str:
    """Return the template, the code in place of its file's name, without comments."""
    code = _without_docstrings(FUNCTION.read_text())
    whole = TEMPLATE.read_text().replace(
        f"ZipFile: {FUNCTION.name}\n",
        f"ZipFile: {json.dumps(_without_comments(code))}\n",  # as YAML quotes it
    )
    return _without_comments(whole)


def _without_comments(text: str) -> str:
    """Leave out lines that are empty, or a comment, in YAML as in Python."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _without_docstrings(code: str) -> str:
    """Leave out every docstring with something after it; what remains is as it was written."""
    told: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if len(node.body) > 1 and ast.get_docstring(node):
            first = node.body[0]
            told |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    lines = code.splitlines(keepends=True)
    return "".join(line for number, line in enumerate(lines, 1) if number not in told)
