"""What a function prints goes to its log group, if its role may write there.

Follows "Sending Lambda function logs to CloudWatch Logs" (docs.aws.amazon.com/lambda/latest/dg/
monitoring-cloudwatchlogs.html): the group is /aws/lambda/NAME, lines START, END and REPORT surround
an invocation, and without the permission nothing is written. Here each request has its own stream.
"""

from typing import Any

from localcloud.driver import Answer
from localcloud.patches import iam
from localcloud.patches.internal import call
from localcloud.processes import TIMED_OUT
from localcloud.times import moment

NEEDED = ("logs:CreateLogStream", "logs:PutLogEvents")


def write(function: Any, request_id: str, answer: Answer, *, began: float, now: float) -> None:
    """Write one invocation's lines; without the log group, nothing."""
    name = function.logs_group_name
    place = f"{function.region}:{function.account_id}"
    stream = f"{moment(began):%Y/%m/%d}/[$LATEST]{request_id.replace('-', '')}"
    arn = f"arn:aws:logs:{place}:log-group:{name}:log-stream:{stream}"
    if name not in function.logs_backend.groups or not iam.role_may(function.role, NEEDED, arn):
        return
    where = {"logGroupName": name, "logStreamName": stream}
    if stream not in function.logs_backend.groups[name].streams:
        call("logs", "create_log_stream", **where)
    lines = _lines(function, request_id, answer, now - began)
    events = [{"timestamp": int(now * 1000), "message": line} for line in lines]
    call("logs", "put_log_events", **where, logEvents=events)


def _lines(function: Any, request_id: str, answer: Answer, seconds: float) -> list[str]:
    lines = [line for line in (answer.stdout + answer.stderr).splitlines() if line]
    if answer.exit_code == TIMED_OUT:
        lines.append(f"{request_id} Task timed out after {float(function.timeout):.2f} seconds")
    return [
        f"START RequestId: {request_id} Version: $LATEST",
        *lines,
        f"END RequestId: {request_id}",
        f"REPORT RequestId: {request_id} Duration: {seconds * 1000:.2f} ms",
    ]
