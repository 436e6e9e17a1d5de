"""Faults of the function that S3 notifies. Touch AWS; the run's end repairs them."""

from collections.abc import Mapping

from common.clients import translated
from drills.documents.kit.under_test import PipelineUnderTest

NAME = "LambdaFunctionName"
QUEUE = "QUEUE_URL"


def throttle_function(pipeline: PipelineUnderTest) -> None:
    """Let the function not run at all.

    Lambda drops the events of such a function, and sends them to its dead letters:
    docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    name, functions = pipeline.pipeline.outputs[NAME], pipeline.clients("lambda")
    pipeline.cleanup.callback(functions.delete_function_concurrency, FunctionName=name)
    with translated(f"throttling {name}"):
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    pipeline.record_fault(f"{name} may not run")


def break_function(pipeline: PipelineUnderTest) -> None:
    """Have the function fail each time, after it has written the document's record."""
    name, functions = pipeline.pipeline.outputs[NAME], pipeline.clients("lambda")
    with translated(f"reading {name}"):
        working = functions.get_function_configuration(FunctionName=name)["Environment"]

    def configure(variables: Mapping[str, str]) -> None:
        with translated(f"configuring {name}"):
            functions.update_function_configuration(
                FunctionName=name, Environment={"Variables": dict(variables)}
            )

    pipeline.cleanup.callback(configure, working["Variables"])
    configure({**working["Variables"], QUEUE: f"{working['Variables'][QUEUE]}-gone"})
    pipeline.record_fault(f"{name} sends to a queue that does not exist")
