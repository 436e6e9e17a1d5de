"""The template of the document pipeline: complete, accepted, small enough."""

import ast
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cfnlint import lint_file

from deploy.documents.body import FIRST, FUNCTION, PIECES, RUN_BY, SHARED, template_body
from deploy.documents.desired_stack import parameters
from localcloud.patches.cloudformation.template import parse
from tests.unit.deploy.documents.pipeline import with_documents

# What the deployment guide that this stack replaces calls them, and what later stages read.
OUTPUTS = {
    *("VpcId", "PublicSubnetId", "PrivateSubnetIds", "RayClusterSecurityGroupId", "HeadName"),
    *("S3BucketName", "ControlTableName", "AuditTableName", "MetricsTableName"),
    *("QueueUrl", "DeadLetterQueueUrl", "FunctionDeadLetterQueueUrl"),
    *("LambdaFunctionArn", "LambdaFunctionName", "ECSClusterName", "ECRRepositoryUri"),
    *("RayHeadTaskDefinitionArn", "RayWorkerTaskDefinitionArn"),
    *("RayHeadServiceName", "RayWorkerServiceName"),
    *("OpenAIApiKeySecretArn", "PineconeApiKeySecretArn", "TokenSecretArn", "RayTokenSecretArn"),
    *("VectorBucketName", "VectorIndexName", "SNSTopicArn", "DashboardName", "LogGroupNames"),
}


def pieces(runs_on: str) -> list[dict[str, Any]]:
    names = (*FIRST, *RUN_BY[runs_on], *SHARED)
    return [yaml_of(PIECES / f"{name}.yaml") for name in names]


def yaml_of(path: Path) -> dict[str, Any]:
    """Return a piece; one without resources gets one, as a template needs it."""
    text = path.read_text()
    return parse(text if "\nResources:" in text else f"{text}\nResources: {{x: {{}}}}")


def test_cfn_lint_accepts_the_template(tmp_path: Path) -> None:
    body = tmp_path / "body.yaml"
    body.write_text(template_body())

    assert [str(match) for match in lint_file(body)] == []


def test_it_fits_into_a_request() -> None:
    # 51,200 bytes: CloudFormation quotas, template body size in a request.
    assert len(template_body().encode()) <= 51_200


def test_every_piece_is_in_a_template() -> None:
    used = {*FIRST, *SHARED, *RUN_BY["fargate"], *RUN_BY["ec2"]}

    assert {path.stem for path in PIECES.glob("*.yaml")} == used


@pytest.mark.parametrize("runs_on", ["fargate", "ec2"])
def test_no_name_is_in_two_pieces(runs_on: str) -> None:
    for section in ("Parameters", "Conditions", "Mappings", "Outputs", "Resources"):
        found = pieces(runs_on)
        names = [name for piece in found for name in piece.get(section, {}) if name != "x"]
        assert [name for name, count in Counter(names).items() if count > 1] == []
        assert set(parse(template_body(runs_on))[section]) == set(names)


def test_the_function_is_that_of_the_application_and_below_4_kib() -> None:
    sent = parse(template_body())["Resources"]["Function"]["Properties"]["Code"]["ZipFile"]

    assert len(sent.encode()) < 4096
    assert undocumented(sent) == undocumented(FUNCTION.read_text())
    assert FUNCTION.parts[-2:] == ("documents", "events.py")


def undocumented(code: str) -> str:
    """Return code in a canonical form, without docstrings and comments."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and len(node.body) > 1:
            node.body = node.body[bool(ast.get_docstring(node)) :]
    return ast.dump(tree)


def test_the_parameters_are_those_of_the_template() -> None:
    assert set(parse(template_body())["Parameters"]) == set(parameters(with_documents()))


def test_the_bucket_s_name_is_all_that_a_person_has_to_give() -> None:
    declared = parse(template_body())["Parameters"]

    assert [name for name, one in declared.items() if "Default" not in one] == ["S3BucketName"]
    # Those of the deployment guide that this stack replaces.
    assert set(declared) >= {
        *("EnvironmentName", "ProjectName", "S3BucketName", "NotificationEmail"),
        *("OpenAIApiKeySecretArn", "PineconeApiKeySecretArn", "RayDockerImageUri"),
    }
    assert declared["ProjectName"]["Default"] == "ray-document-pipeline"


def test_the_outputs_have_the_names_that_their_readers_know() -> None:
    assert set(parse(template_body())["Outputs"]) == OUTPUTS
