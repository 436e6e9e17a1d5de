"""The template as a file, given to CloudFormation as a person would."""

import json
from pathlib import Path

import boto3
import pytest

from common.errors import Refused
from deploy.documents.self_contained import write_parameters, write_template
from tests.unit.deploy.documents.pipeline import Pipeline, with_documents

NAMED = ["CAPABILITY_NAMED_IAM"]


def test_the_template_and_a_bucket_s_name_make_a_stack(pipeline: Pipeline, tmp_path: Path) -> None:
    path = write_template(tmp_path / "documents.yaml")
    api = boto3.client("cloudformation")

    api.create_stack(
        StackName="ray-pipeline-prod",
        TemplateBody=path.read_text(),
        Parameters=[{"ParameterKey": "S3BucketName", "ParameterValue": "my-documents"}],
        Capabilities=NAMED,
    )
    pipeline.clock.advance(300)

    (stack,) = api.describe_stacks()["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert outputs["S3BucketName"] == "my-documents"
    assert outputs["ControlTableName"] == "ray-document-pipeline-prod-control"


def test_with_an_environment_s_parameters_it_is_that_environment_s_stack(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    path = write_template(tmp_path / "documents.yaml")
    beside = write_parameters(path, with_documents(embeddings="openai"))
    assert beside == tmp_path / "documents.parameters.json"
    api = boto3.client("cloudformation")

    api.create_stack(
        StackName="by-hand",
        TemplateBody=path.read_text(),
        Parameters=json.loads(beside.read_text()),
        Capabilities=NAMED,
    )
    pipeline.clock.advance(300)

    (stack,) = api.describe_stacks()["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert outputs["VectorIndexName"] == "documents-openai"
    assert outputs["ECSClusterName"] == "ray-documents-dev"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"none/documents\.yaml: No such file"):
        write_template(tmp_path / "none" / "documents.yaml")
