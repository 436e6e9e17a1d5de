"""Read what must not grow: what AWS has of the environment, and what its instances use.

Reads AWS, and runs a script on each instance.
"""

from collections import defaultdict
from collections.abc import Iterator
from statistics import mean
from typing import Any

from common.clients import Clients, translated
from common.environment import Environment
from deploy.cluster.instances import find_instances
from drills.kit.cluster import ClusterUnderTest
from node.contract import JOB_LOG_GROUP, LOG_GROUP

USED = ("memory", "disk", "files", "open files", "connections", "processes")
WRITTEN = "/dev/shm /run /tmp /var"  # noqa: S108 - of instances, where processes leave files
# Prints them: MiB of anonymous memory of all processes, MiB used of the root volume, and counts.
# Of TCP connections those count that neither listen (0A) nor wait for late packets (06, for a
# minute after their end): https://docs.kernel.org/networking/proc_net_tcp.html
USAGE = r"""
cat /proc/[0-9]*/status 2>/dev/null | awk '/^RssAnon/ {sum += $2} END {print int(sum / 1024)}'
df --output=used --block-size=1M / | tail -1
find WRITTEN -xdev -type f 2>/dev/null | wc -l
ls -U /proc/[0-9]*/fd 2>/dev/null | grep -c '^[0-9]'
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 ~ /^0[1-9B]$/ && $4 != "06"' | wc -l
ls -Ud /proc/[0-9]* | wc -l
"""
# Service, operation, the list in its answer, and its arguments.
Query = tuple[str, str, str, dict[str, Any]]


def read_values(cluster: ClusterUnderTest) -> dict[str, float]:
    """Return how many there are of each thing in AWS, and what an instance uses on average.

    Raises PipelineError when AWS or an instance does not answer.
    """
    counts = {
        name: float(sum(count(cluster.clients, *query) for query in queries))
        for name, queries in asked(cluster.environment).items()
    }
    return counts | dict(_used(cluster))


def asked(environment: Environment) -> dict[str, list[Query]]:
    """Return what is counted, by name. Other environments of the account are counted with it."""
    own: dict[str, Any] = {"Owners": ["self"]}
    return {
        "AMIs": [("ec2", "describe_images", "Images", own)],
        "snapshots": [("ec2", "describe_snapshots", "Snapshots", {"OwnerIds": ["self"]})],
        "volumes": [("ec2", "describe_volumes", "Volumes", {})],
        "interfaces": [("ec2", "describe_network_interfaces", "NetworkInterfaces", {})],
        "security groups": [("ec2", "describe_security_groups", "SecurityGroups", {})],
        "template versions": [
            (
                "ec2",
                "describe_launch_template_versions",
                "LaunchTemplateVersions",
                {"LaunchTemplateName": name},
            )
            for name in templates(environment)
        ],
        "alarms": [("cloudwatch", "describe_alarms", "MetricAlarms", {})],
        "parameters": [("ssm", "describe_parameters", "Parameters", {})],
        "objects": [("s3", "list_objects_v2", "Contents", {"Bucket": environment.bucket})],
        "table items": [("dynamodb", "scan", "Items", {"TableName": environment.lease_table})],
        "log streams": [
            ("logs", "describe_log_streams", "logStreams", {"logGroupName": group})
            for group in log_groups(environment)
        ],
    }


def templates(environment: Environment) -> list[str]:
    """Return the launch templates of the heads and of each group of workers."""
    return [environment.head_template, *map(environment.worker_template_of, environment.workers)]


def log_groups(environment: Environment) -> list[str]:
    """Return the log groups of heads, of workers, and of jobs."""
    name = environment.name
    nodes = [LOG_GROUP.format(environment=name, role=role) for role in ("head", "worker")]
    return [*nodes, JOB_LOG_GROUP.format(environment=name)]


def count(clients: Clients, service: str, operation: str, key: str, query: dict[str, Any]) -> int:
    """Return how long a list is, over all its pages."""
    with translated(f"{service} {operation}"):
        pages = clients(service).get_paginator(operation).paginate(**query)
        return sum(len(page.get(key, [])) for page in pages)


def usage(written: str = WRITTEN) -> str:
    """Return the script that prints what is used, in the order of ``USED``."""
    return USAGE.replace("WRITTEN", written)


def _used(cluster: ClusterUnderTest) -> Iterator[tuple[str, float]]:
    """Yield what an instance of each role uses, on average."""
    found = defaultdict[str, list[float]](list)
    for instance in find_instances(cluster.clients, cluster.environment.name):
        if instance.state == "running":
            printed = cluster.on(instance.id, usage()).stdout.split()
            for name, value in zip(USED, printed, strict=True):
                found[f"{instance.role}: {name}"].append(float(value))
    for name, values in found.items():
        yield name, mean(values)
