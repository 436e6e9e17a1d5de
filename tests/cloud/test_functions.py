"""Lambda functions are processes: with their role's keys, without our modules, killed in time."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud.harness import Cloud, eventually

NAME = "probe"
LOGS = f"/aws/lambda/{NAME}"
CODE = """
import time
import boto3
from importlib.util import find_spec

def handler(event, context):
    if event == "fail":
        raise ValueError("as it should")
    if event == "sleep":
        print("good night", flush=True)
        time.sleep(60)
    print(boto3.client("sts").get_caller_identity()["Arn"])
    ours = ("bake", "common", "deploy", "drills", "localcloud", "node")
    if not any(map(find_spec, ours)):
        print("alone")
"""
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
LOG = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
TEMPLATE = {
    "Resources": {
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": LOGS}},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": NAME,
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [TRUST]},
                "Policies": [
                    {
                        "PolicyName": "log",
                        "PolicyDocument": {"Version": "2012-10-17", "Statement": [LOG]},
                    }
                ],
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "DependsOn": "Logs",
            "Properties": {
                "FunctionName": NAME,
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "Timeout": 20,
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": CODE},
            },
        },
    }
}


@pytest.fixture
def functions(cloud: Cloud) -> Iterator[Any]:
    """The Lambda API of a cloud that has one function."""
    stack = {"StackName": NAME}
    cloud.aws.cloudformation.create_stack(
        **stack, TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    api = getattr(cloud.aws, "lambda")
    eventually("the function", lambda: api.list_functions()["Functions"])
    yield api
    cloud.aws.cloudformation.delete_stack(**stack)
    eventually("the function's deletion", lambda: not api.list_functions()["Functions"])


def printed(cloud: Cloud) -> list[str]:
    events = cloud.aws.logs.filter_log_events(logGroupName=LOGS)["events"]
    return [event["message"] for event in events]


def test_a_function_has_only_its_role_fails_alone_and_is_killed_in_time(
    cloud: Cloud, functions: Any
) -> None:
    for event in ("be", "fail", "sleep"):
        functions.invoke(FunctionName=NAME, InvocationType="Event", Payload=json.dumps(event))

    eventually("all three", lambda: sum(line.startswith("END") for line in printed(cloud)) >= 3)

    said = printed(cloud)
    assert f"arn:aws:sts::123456789012:assumed-role/{NAME}/{NAME}" in said
    assert "alone" in said
    assert "[ERROR] ValueError: as it should" in said
    assert "good night" in said
    assert [line for line in said if line.endswith("Task timed out after 20.00 seconds")]
    eventually("the end of every run", lambda: not [*cloud.place.run.glob("function-*")])
