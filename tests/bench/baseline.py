"""The baseline of a benchmark: Ray without Raykiln, on the same images, network and load balancer.

`ray start` in a unit with Restart=always and Ray's default timeouts, the head in its Auto Scaling
group, and workers that join at the load balancer's name, as Ray's guide for on-premise clusters has
it (docs.ray.io/en/latest/cluster/vms/user-guides/launching-clusters/on-premises.html). Touches AWS.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from textwrap import dedent, indent

from common.clients import Clients
from common.environment import Environment
from common.waiting import SystemClock
from common.worker_groups import ONLY_GROUP
from deploy.cluster.head_group import find_group
from deploy.cluster.instances import find_instances
from deploy.cluster.launch_template import TemplateVersion, ensure_version, find_template
from deploy.foundation.stack import find_foundation
from deploy.release.settings import Role
from deploy.rollout.head_group_changes import ensure_group, terminate_member

START = {
    "head": "--head --port=6379 --dashboard-host=0.0.0.0 --num-cpus=0",
    "worker": "--address={head}:6379",
}
# How the load balancer checks its targets: by a connection, or as in Raykiln's template.
CHECKS = {
    "TCP": {"HealthCheckPort": "traffic-port"},
    "HTTP": {"HealthCheckPort": "8479", "HealthCheckPath": "/leader"},
}
UNIT = """\
[Unit]
Description=Ray, the baseline of a benchmark

[Service]
User=ray
RuntimeDirectory=baseline
Environment=RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=/run/baseline/token RAY_USAGE_STATS_ENABLED=0
ExecStartPre=/opt/ray/bin/python -c '{token}'
ExecStart=/opt/ray/bin/ray start --block --disable-usage-stats {arguments}
Restart=always
RestartSec=1
"""
TOKEN = (
    'import boto3, os; ssm = boto3.client("ssm", region_name="{region}"); os.umask(0o077); '
    'open("/run/baseline/token", "w").write(ssm.get_parameter(Name="{secret}", '
    'WithDecryption=True)["Parameter"]["Value"].strip())'
)


def user_data(environment: Environment, role: Role) -> str:
    """Return cloud-config that runs only Ray: it lacks a file that Raykiln's units need."""
    token = TOKEN.format(region=environment.region, secret=environment.secret)
    unit = UNIT.format(token=token, arguments=START[role].format(head=environment.head_dns))
    return dedent("""\
        #cloud-config
        write_files:
          - path: /etc/systemd/system/baseline.service
            content: |
        {unit}
        runcmd:
          - systemctl start --no-block baseline.service
        """).format(unit=indent(unit, " " * 6))


def template_reference(version: TemplateVersion) -> dict[str, str]:
    """Return a version as EC2 and Auto Scaling take it in their calls."""
    return {"LaunchTemplateId": version.template_id, "Version": str(version.number)}


class Baseline:
    """The baseline cluster, in place of the environment's cluster."""

    def __init__(self, environment: Environment, clients: Clients) -> None:
        self._environment, self._clients = environment, clients
        foundation = find_foundation(clients, environment)
        assert foundation, "there is no cluster"
        self._foundation = foundation

    @contextmanager
    def deployed(self, workers: int) -> Iterator[None]:
        """Run the baseline with that many workers; restore Raykiln's cluster after the block."""
        found = find_group(
            self._clients, self._environment.head_group, self._environment.names.lifecycle_hook
        )
        assert found, "there is no cluster"
        settings = found.settings
        try:
            self._check_targets("TCP")
            self._launch_head(self._version("head"))
            self._terminate_all()
            self._launch_workers(self._version("worker"), workers)
            yield
        finally:
            self._check_targets("HTTP")
            ensure_group(self._clients, self._environment.head_group, settings, clock=SystemClock())
            self._terminate_all()

    def lose_head(self) -> None:
        """Terminate the head's instance."""
        (head,) = self._alive("head")
        self._clients("ec2").terminate_instances(InstanceIds=[head])

    def _version(self, role: Role) -> TemplateVersion:
        environment = self._environment
        name = environment.head_template if role == "head" else environment.worker_template
        template = find_template(self._clients, name)
        assert template, "there is no cluster"
        content = replace(template.versions[0].content, user_data=user_data(environment, role))
        return ensure_version(self._clients, name, content.named(), {}, clock=SystemClock())

    def _launch_head(self, version: TemplateVersion) -> None:
        """Let the group launch one head of this version, in service as soon as it runs."""
        scaling, name = self._clients("autoscaling"), self._environment.head_group
        scaling.delete_lifecycle_hook(
            AutoScalingGroupName=name,
            LifecycleHookName=self._environment.names.lifecycle_hook,
        )
        scaling.update_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchTemplate=template_reference(version),
            DesiredCapacity=1,
            MinSize=1,
        )

    def _launch_workers(self, version: TemplateVersion, count: int) -> None:
        self._clients("ec2").run_instances(
            LaunchTemplate=template_reference(version),
            InstanceType=self._environment.workers[ONLY_GROUP].instance_types[0],
            SubnetId=self._foundation.private_subnet_ids[0],
            MinCount=count,
            MaxCount=count,
        )

    def _check_targets(self, protocol: str) -> None:
        for arn in self._foundation.target_group_arns:
            self._clients("elbv2").modify_target_group(
                TargetGroupArn=arn, HealthCheckProtocol=protocol, **CHECKS[protocol]
            )

    def _terminate_all(self) -> None:
        """Terminate every instance; the group replaces each head."""
        for head in self._alive("head"):
            terminate_member(self._clients, head, replaced=True)
        if workers := self._alive("worker"):
            self._clients("ec2").terminate_instances(InstanceIds=workers)
        while set(workers) & set(self._alive("worker")):
            time.sleep(1)

    def _alive(self, role: Role) -> list[str]:
        found = find_instances(self._clients, self._environment.name)
        ending = ("shutting-down", "stopping")
        return [i.id for i in found if i.role == role and i.state not in ending]
