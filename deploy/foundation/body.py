"""The template body sent to CloudFormation: the template with the function's code and with what is
generated. Pure: no AWS.

A request takes 51,200 bytes of template (CloudFormation quotas). So each resource is sent on one
line, without comments, docstrings, descriptions of parameters and names of statements (Sid). The
code may be of any length:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
The documents' template is shortened in the same way.
"""

import ast
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).with_name("template.yaml")
FUNCTION = Path(__file__).with_name("remediation.py")
BLOCK_DEPTH = 2  # sections and their entries; anything deeper stays on the entry's line
WIDTH = 1_000_000
# In quotes of PyYAML's, which YAML does not ask for.
TYPE = re.compile(r"(?<=\{Type: )'(AWS(?:::\w+){2})'")


def template_body(generated: Mapping[str, Any]) -> str:
    """Return the template without what is for who reads it here; the code replaces its file's name.

    ``generated`` has more entries for its sections: ``{"Resources": …, "Outputs": …}``.
    """
    return _body(json.dumps(generated, sort_keys=True))


@cache
def _body(generated: str) -> str:
    root: Any = yaml.compose(TEMPLATE.read_text(), yaml.CSafeLoader)
    more: Any = yaml.compose(generated, yaml.CSafeLoader)
    for key, section in more.value:
        (own,) = (value for name, value in root.value if name.value == key.value)
        own.value += section.value
    leave_out_descriptions(root)
    leave_out_sids(root)
    return shortened(root, FUNCTION)


def leave_out_descriptions(root: Any) -> None:
    """Remove what the parameters say of themselves to who reads the template."""
    (parameters,) = (value for name, value in root.value if name.value == "Parameters")
    for _, parameter in parameters.value:
        parameter.value = [pair for pair in parameter.value if pair[0].value != "Description"]


def leave_out_sids(node: Any) -> None:
    """Remove the optional names of statements, which are for who reads the template."""
    if isinstance(node, yaml.MappingNode):
        node.value = [pair for pair in node.value if pair[0].value != "Sid"]
        for _, value in node.value:
            leave_out_sids(value)
    elif isinstance(node, yaml.SequenceNode):
        for one in node.value:
            leave_out_sids(one)


def shortened(root: Any, function: Path | None = None) -> str:
    """Return a template's nodes as they are sent; the function's code replaces its file's name."""
    _shorten(root, function.name if function else "", _code(function) if function else "")
    text = yaml.serialize(root, Dumper=yaml.CSafeDumper, width=WIDTH, allow_unicode=True)
    return TYPE.sub(r"\1", text)


def _shorten(node: Any, name: str, code: str, depth: int = 0) -> None:
    """Put everything below ``BLOCK_DEPTH`` on one line, and insert the code."""
    if isinstance(node, yaml.ScalarNode):
        if name and node.value == name:
            node.value, node.style = code, '"'
        elif node.style == ">" and "\n" not in node.value:
            node.style = "'"  # JSON, in which each quote would be escaped
        return
    node.flow_style = depth >= BLOCK_DEPTH
    is_mapping = isinstance(node, yaml.MappingNode)
    children = [value for _, value in node.value] if is_mapping else node.value
    for child in children:
        _shorten(child, name, code, depth + 1)


def _code(function: Path) -> str:
    """Return the function without docstrings, comments and empty lines, indented by one space."""
    lines = _without_docstrings(function.read_text()).splitlines(keepends=True)
    return "".join(
        _by_one(line) for line in lines if line.strip() and not line.lstrip().startswith("#")
    )


def _by_one(line: str) -> str:
    """Return a line that is indented by fours, indented by ones; no string spans lines."""
    code = line.lstrip(" ")
    return " " * ((len(line) - len(code)) // 4) + code


def _without_docstrings(code: str) -> str:
    """Remove every docstring that other code follows; keep the rest unchanged."""
    removed: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if len(node.body) > 1 and ast.get_docstring(node):
            first = node.body[0]
            removed |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    lines = code.splitlines(keepends=True)
    return "".join(line for number, line in enumerate(lines, 1) if number not in removed)
