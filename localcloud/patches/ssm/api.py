"""Run Command's API, for commands that really run.

Follows the Systems Manager API reference: SendCommand, GetCommandInvocation, ListCommands,
ListCommandInvocations, CancelCommand, DescribeInstanceInformation.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models import ec2_backends
from moto.ssm.exceptions import SSMException

from localcloud import world
from localcloud.driver import Power
from localcloud.patches.ssm.commands import ENDED, Command, Invocation, Tree, commands_of, keep
from localcloud.times import naive

DOCUMENT = "AWS-RunShellScript"
PLUGIN = "aws:runShellScript"
# Characters of GetCommandInvocation.
LONGEST_OUTPUT, LONGEST_ERROR = 24_000, 8_000
EXITED = ("Success", "Failed")  # without which there is no standard output
DELIVERY_SECONDS = 3600  # TimeoutSeconds, if it is not given


def _refuse(code: str, message: str) -> SSMException:
    return SSMException(code, message)


def managed(account: str, region: str) -> Iterator[Any]:
    """Yield the instances that answer Systems Manager: those whose machine is up."""
    for instance in ec2_backends[account][region].all_instances():
        if world.current().driver.power(instance.id) is Power.UP:
            yield instance


def _targeted(instances: list[Any], target: Tree) -> set[str]:
    key, values = target["Key"], target["Values"]
    if key == "InstanceIds":
        return {i.id for i in instances if i.id in values}
    if key.startswith("tag:"):
        name = key.removeprefix("tag:")
        return {
            i.id
            for i in instances
            if any(t["key"] == name and t["value"] in values for t in i.get_tags())
        }
    raise _refuse("InvalidTarget", f"The local cloud has no targets by {key}")


def _send_command(self: Any) -> ActionResult:
    instances = list(managed(self.current_account, self.region))
    named, targets = self._get_param("InstanceIds", []), self._get_param("Targets", [])
    chosen = {i.id for i in instances} if targets else set()
    for target in targets:
        chosen &= _targeted(instances, target)
    if missing := [i for i in named if i not in {one.id for one in instances}]:
        raise _refuse(
            "InvalidInstanceId",
            f"Instances [[{', '.join(missing)}]] not in a valid state "
            f"for account {self.current_account}",
        )
    command = _command(self, named, targets)
    command.invocations = {i: Invocation(i) for i in sorted(chosen | set(named))}
    keep(self.ssm_backend, command)
    return ActionResult({"Command": _shown(command)})


def _command(self: Any, named: list[str], targets: list[Tree]) -> Command:
    if self._get_param("DocumentName") != DOCUMENT:
        raise _refuse("InvalidDocument", f"The local cloud has only the document {DOCUMENT}")
    if self._get_param("OutputS3BucketName"):
        raise _refuse("ValidationException", "The local cloud keeps no command output in S3")
    parameters = self._get_param("Parameters", {})
    if not parameters.get("commands"):
        raise _refuse("InvalidParameters", "commands is required")
    lines = [f"cd {d}" for d in parameters.get("workingDirectory", []) if d]
    return Command(
        str(uuid.uuid4()),
        self._get_param("Comment", ""),
        "\n".join([*lines, *parameters["commands"]]) + "\n",
        float(parameters.get("executionTimeout", ["3600"])[0]),
        float(self._get_param("TimeoutSeconds") or DELIVERY_SECONDS),
        world.now(),
        parameters,
        targets,
        named,
    )


def _shown(command: Command) -> Tree:
    done = [one for one in command.invocations.values() if one.status in ENDED]
    return {
        "CommandId": command.command_id,
        "DocumentName": DOCUMENT,
        "Comment": command.comment,
        "RequestedDateTime": naive(command.requested),
        "Parameters": command.parameters,
        "InstanceIds": command.named,
        "Targets": command.targets,
        "Status": command.status,
        "StatusDetails": command.status if command.invocations else "NoInstancesInTag",
        "TargetCount": len(command.invocations),
        "CompletedCount": len(done),
        "ErrorCount": sum(one.status != "Success" for one in done),
    }


def _find(self: Any) -> Command:
    command = commands_of(self.ssm_backend).get(self._get_param("CommandId"))
    if command is None:
        raise _refuse("InvalidCommandId", "Invalid command id.")
    return command


def _get_command_invocation(self: Any) -> ActionResult:
    held = commands_of(self.ssm_backend).get(self._get_param("CommandId"))
    one = held.invocations.get(self._get_param("InstanceId")) if held else None
    if held is None or one is None:
        raise _refuse("InvocationDoesNotExist", "")
    answer, elapsed = one.answer, (one.ended or 0) - (one.started or 0)
    return ActionResult(
        {
            "CommandId": held.command_id,
            "InstanceId": one.instance_id,
            "Comment": held.comment,
            "DocumentName": DOCUMENT,
            "PluginName": PLUGIN,
            "ResponseCode": answer.exit_code,
            "ExecutionStartDateTime": _text(one.started),
            "ExecutionElapsedTime": f"PT{elapsed:g}S" if one.ended else "",
            "ExecutionEndDateTime": _text(one.ended),
            "Status": one.status,
            "StatusDetails": one.details,
            "StandardOutputContent": answer.stdout[:LONGEST_OUTPUT] if one.status in EXITED else "",
            "StandardErrorContent": answer.stderr[:LONGEST_ERROR],
        }
    )


def _text(seconds: float | None) -> str:
    return "" if seconds is None else naive(seconds).isoformat(timespec="milliseconds") + "Z"


def _list_commands(self: Any) -> ActionResult:
    requested, instance = self._get_param("CommandId"), self._get_param("InstanceId")
    held = [_find(self)] if requested else list(commands_of(self.ssm_backend).values())
    found = [c for c in held if instance is None or instance in c.invocations]
    return ActionResult({"Commands": [_shown(command) for command in reversed(found)]})


def _list_command_invocations(self: Any) -> ActionResult:
    requested, instance = self._get_param("CommandId"), self._get_param("InstanceId")
    detailed = self._get_bool_param("Details", False)
    held = [_find(self)] if requested else list(commands_of(self.ssm_backend).values())
    found = [
        _shown_invocation(command, one, bool(detailed))
        for command in held
        for one in command.invocations.values()
        if instance in (None, one.instance_id)
    ]
    return ActionResult({"CommandInvocations": found})


def _shown_invocation(command: Command, one: Invocation, detailed: bool) -> Tree:
    shown = {
        "CommandId": command.command_id,
        "InstanceId": one.instance_id,
        "Comment": command.comment,
        "DocumentName": DOCUMENT,
        "RequestedDateTime": naive(command.requested),
        "Status": one.status,
        "StatusDetails": one.details,
    }
    if detailed:
        plugin = {
            "Name": PLUGIN,
            "Status": one.status,
            "StatusDetails": one.details,
            "ResponseCode": one.answer.exit_code,
            "Output": one.answer.stdout[:2500],
        }
        shown["CommandPlugins"] = [plugin]
    return shown


def _cancel_command(self: Any) -> EmptyResult:
    """What has begun goes on here, and no one hears of it: AWS does not promise to stop it."""
    held, chosen = _find(self), self._get_param("InstanceIds", [])
    for one in held.invocations.values():
        if one.status not in ENDED and (not chosen or one.instance_id in chosen):
            one.status, one.ended = "Cancelled", world.now()
    return EmptyResult()


def _describe_instance_information(self: Any) -> ActionResult:
    found = list(managed(self.current_account, self.region))
    for item in self._get_param("Filters", []):
        chosen = _targeted(found, item)
        found = [instance for instance in found if instance.id in chosen]
    return ActionResult({"InstanceInformationList": [_information(one) for one in found]})


def _information(instance: Any) -> Tree:
    return {
        "InstanceId": instance.id,
        "PingStatus": "Online",
        "LastPingDateTime": naive(world.now()),
        "PlatformType": "Linux",
        "ResourceType": "EC2Instance",
        "IPAddress": instance.private_ip,
        "ComputerName": instance.private_dns_name,
    }


ACTIONS = {
    "send_command": _send_command,
    "get_command_invocation": _get_command_invocation,
    "list_commands": _list_commands,
    "list_command_invocations": _list_command_invocations,
    "cancel_command": _cancel_command,
    "describe_instance_information": _describe_instance_information,
}
