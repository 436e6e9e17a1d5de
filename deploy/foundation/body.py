"""The text that CloudFormation is given: the template with its function's code in it. Pure: no AWS.

A request takes 51,200 bytes of template (CloudFormation quotas). So each resource stands in one
line there, and what is for readers alone stays in the repository. The code may be of any length:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).with_name("template.yaml")
FUNCTION = Path(__file__).with_name("remediation.py")
IN_LINES = 2  # sections and what they name; what is deeper goes on in the line
WIDTH = 1_000_000


@cache
def template_body() -> str:
    """Return the template, the code in place of its file's name, without comments."""
    root: Any = yaml.compose(TEMPLATE.read_text(), yaml.CSafeLoader)
    _shorten(root, _code())
    return yaml.serialize(root, Dumper=yaml.CSafeDumper, width=WIDTH, allow_unicode=True)


def _shorten(node: Any, code: str, depth: int = 0) -> None:
    """Put everything from a depth on into one line, and the code where it belongs."""
    if isinstance(node, yaml.ScalarNode):
        if node.value == FUNCTION.name:
            node.value, node.style = code, '"'
        return
    node.flow_style = depth >= IN_LINES
    below = [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else node.value
    for child in below:
        _shorten(child, code, depth + 1)


def _code() -> str:
    """Return the function without docstrings, comments and empty lines."""
    lines = _without_docstrings(FUNCTION.read_text()).splitlines(keepends=True)
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
