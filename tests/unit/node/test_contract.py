"""Both sides of node/contract.py: its values, and everything that cannot import them."""

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.foundation import remediation
from deploy.rollout.renewing_clock import LAPSE
from node import contract
from node.head.phases import AutoscalerStatus, Status
from node.head.tags import HEAD_TAGS
from node.identity import FROM_METADATA, Identity
from node.lease.lease import LEASE_TIMES
from node.log import logfmt
from node.ray.launches import RefusedLaunch

ROOT = Path(__file__).parents[3]
FOUNDATION = ROOT / "deploy/foundation"
PROVISIONERS = ROOT / "ami-provisioners"
VALUES = {
    "VERSION": "4",
    "OWN_PASSWORD": 4,
    "HEAD": "head",
    "WORKER": "worker",
    "ROLES": ("head", "worker"),
    "LEASE_KEY": "cluster",
    "LEASE_HOLDER": "holder",
    "LEASE_ADDRESS": "address",
    "LEASE_EPOCH": "epoch",
    "LEASE_BEAT": "beat",
    "LEASE_RELEASED": "released",
    "LEASE_SUCCESSOR": "successor",
    "LEASE_AUTOSCALER": "autoscaler",
    "LEASE_REFUSED": "autoscaler_refused",
    "ENVIRONMENT_TAG": "raykiln:environment",
    "ROLE_TAG": "raykiln:role",
    "GROUP_TAG": "raykiln:group",
    "AUTOSCALER_TAG": "raykiln:autoscaler",
    "CLUSTER_NAME_TAG": "ray-cluster-name",
    "NODE_KIND_TAG": "ray-node-type",
    "NODE_TYPE_TAG": "ray-user-node-type",
    "HEAD_NODE_TYPE": "head",
    "AUTOSCALER_DIGEST_CHARACTERS": 16,
    "PROVIDER": "node.ray.provider.GroupProvider",
    "PROVIDER_LAUNCHES": "launches_file",
    "NODE_CONFIG_TYPES": "InstanceTypes",
    "NODE_CONFIG_MARKETS": "Markets",
    "ON_DEMAND": "on-demand",
    "SPOT": "spot",
    "DRIVER_RESOURCE": "driver",
    "DRIVERS_PER_WORKER": 1000,
    "NODE_GROUP_LABEL": "ray.io/node-group",
    "GCS_PORT": 6379,
    "CLIENT_PORT": 10001,
    "DASHBOARD_PORT": 8265,
    "RAY_PORTS": (6379, 10001, 8265),
    "GUARD_PORT": 8479,
    "LEADER_PATH": "/leader",
    "STATUS_PATH": "/status",
    "METRICS_PORT": 8480,
    "PROMETHEUS_PORT": 9090,
    "SIGNER_PORT": 9089,
    "STATUS_AUTOSCALER": "autoscaler",
    "STATUS_WORKING": "working",
    "STATUS_ROUNDS": "rounds",
    "STATUS_SINCE_ROUND": "seconds_since_round",
    "STATUS_REFUSED": "refused",
    "REFUSED_TYPE": "instance_type",
    "REFUSED_MARKET": "market",
    "REFUSED_CODE": "code",
    "REFUSED_MESSAGE": "message",
    "REFUSED_AGO": "seconds_ago",
    "REFUSED_NEXT": "next",
    "NODE_YAML": "/etc/raykiln/node.yaml",
    "IMAGE_JSON": "/etc/raykiln/image.json",
    "RUN_FOLDER": "/run/ray",
    "TOKEN_FILE": "/run/ray/token",
    "REDIS_PASSWORD_FILE": "/run/ray/redis_password",
    "LAUNCHES_FILE": "/run/ray/autoscaler/launches.json",
    "BOOTSTRAP_LOGS": {
        "head": "/var/log/ray-head-bootstrap.log",
        "worker": "/var/log/ray-worker-bootstrap.log",
    },
    "RAY_COMMAND": "/usr/local/bin/ray",
    "INSTANCE_STORE": "/mnt/instance-store",
    "ENVIRONMENT_KEY": "environment",
    "ROLE_KEY": "role",
    "HEAD_NAME_KEY": "head_name",
    "LEASE_TABLE_KEY": "lease_table",
    "SECRET_KEY": "secret",
    "METRIC_NAMESPACE_KEY": "metric_namespace",
    "LIFECYCLE_HOOK_KEY": "lifecycle_hook",
    "REDIS_KEY": "redis",
    "STATE_SECRET_KEY": "state_secret",
    "REJOIN_SECONDS_KEY": "rejoin_seconds",
    "GPUS_KEY": "gpus",
    "RESOURCES_KEY": "resources",
    "LABELS_KEY": "labels",
    "REBALANCE_SECONDS_KEY": "rebalance_seconds",
    "OBJECT_STORE_KEY": "object_store_bytes",
    "INSTANCE_STORE_KEY": "instance_store",
    "EFS_KEY": "efs",
    "SPILL": "spill",
    "GRAFANA_KEY": "grafana",
    "GRAFANA_IN_BROWSER_KEY": "grafana_in_browser",
    "REMOTE_WRITE_KEY": "remote_write",
    "HEAD_ONLY_KEYS": {"lifecycle_hook"},
    "OPTIONAL_KEYS": {
        "redis",
        "state_secret",
        "rejoin_seconds",
        "gpus",
        "resources",
        "labels",
        "rebalance_seconds",
        "object_store_bytes",
        "instance_store",
        "efs",
        "grafana",
        "grafana_in_browser",
        "remote_write",
    },
    "IDENTITY_UNIT": "ray-identity",
    "STORAGE_UNIT": "ray-storage",
    "METADATA_UNIT": "ray-metadata",
    "LOGS_UNIT": "ray-logs",
    "LOG_LIMIT_UNIT": "ray-log-limit",
    "HEAD_UNIT": "ray-head",
    "WORKER_UNIT": "ray-worker",
    "WATCHDOG_UNIT": "ray-watchdog",
    "PROMETHEUS_UNIT": "ray-prometheus",
    "REMOTE_WRITE_UNIT": "ray-remote-write",
    "GIVE_UP_UNIT": "ray-give-up",
    "UNITS": (
        *(
            "ray-identity",
            "ray-storage",
            "ray-metadata",
            "ray-logs",
            "ray-log-limit",
            "ray-head",
            "ray-worker",
            "ray-watchdog",
        ),
        *("ray-prometheus", "ray-remote-write", "ray-give-up"),
    ),
    "GIVING_UP": "giving up",
    "DRAINING": "draining",
    "GIVING_UP_MARK": 'event="giving up"',
    "DRAINING_MARK": "event=draining",
    "LOG_GROUP": "/raykiln/{environment}/{role}",
    "LINE_UNIT": "unit",
    "LINE_PRIORITY": "priority",
    "LINE_MESSAGE": "message",
    "JOB_LOG_GROUP": "/raykiln/{environment}/jobs",
    "JOB_FILE": "file",
    "JOB_TASK": "task",
    "HEAD_READY": "HeadReady",
    "HEAD_LEADER": "HeadLeader",
    "HEAD_STANDING_BY": "HeadStandingBy",
    "AUTOSCALER_WORKING": "AutoscalerWorking",
    "GAVE_UP": "GaveUp",
    "ENVIRONMENT_DIMENSION": "Environment",
    "ROLE_DIMENSION": "Role",
}


class Loader(yaml.SafeLoader):
    """Reads a template without resolving it: ``!Ref Vpc`` is "Vpc", ``!Sub text`` is the text."""


def _unresolved(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


Loader.add_multi_constructor("!", _unresolved)


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    """The properties of the foundation's resources, by name."""
    template = yaml.load((FOUNDATION / "template.yaml").read_text(), Loader)  # noqa: S506
    return {name: found.get("Properties", {}) for name, found in template["Resources"].items()}


def of_kind(resources: dict[str, Any], ending: str) -> dict[str, Any]:
    return {name: found for name, found in resources.items() if name.endswith(ending)}


def statement(role: dict[str, Any], sid: str) -> dict[str, Any]:
    """Return one statement of a role's policies."""
    [found] = [
        one
        for policy in role["Policies"]
        if isinstance(policy, dict)
        for one in policy["PolicyDocument"]["Statement"]
        if one["Sid"] == sid
    ]
    return dict(found)


def entries(path: Path) -> set[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return {line for line in lines if line}


def strings(path: Path) -> set[str]:
    """Return every string that stands alone in a Python file."""
    found = ast.walk(ast.parse(path.read_text()))
    return {n.value for n in found if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_contract_has_these_values() -> None:
    assert {name: value for name, value in vars(contract).items() if name.isupper()} == VALUES


def test_contract_imports_nothing_and_parses_on_python_3_10() -> None:
    source = (ROOT / "node/contract.py").read_text()
    tree = ast.parse(source, feature_version=(3, 10))

    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]


def test_the_guards_status_has_the_keys_that_deployers_read() -> None:
    assert contract.STATUS_AUTOSCALER in {one.name for one in fields(Status)}
    assert {one.name for one in fields(AutoscalerStatus)} == {
        contract.STATUS_WORKING,
        contract.STATUS_ROUNDS,
        contract.STATUS_SINCE_ROUND,
        contract.STATUS_REFUSED,
    }
    assert {one.name for one in fields(RefusedLaunch)} == {
        contract.REFUSED_TYPE,
        contract.REFUSED_MARKET,
        contract.REFUSED_CODE,
        contract.REFUSED_MESSAGE,
        contract.REFUSED_AGO,
        contract.REFUSED_NEXT,
    }


# --- The foundation's template -------------------------------------------------------------------


def test_target_groups_and_listeners_have_rays_ports(resources: dict[str, Any]) -> None:
    targets = of_kind(resources, "TargetGroup").values()

    assert [group["Port"] for group in targets] == [6379, 10001, 8265] == [*contract.RAY_PORTS]
    assert {found["Port"] for found in of_kind(resources, "Listener").values()} == {
        *contract.RAY_PORTS
    }


def test_health_checks_ask_the_guard_for_the_leader(resources: dict[str, Any]) -> None:
    checks = {
        (group["HealthCheckPort"], group["HealthCheckPath"])
        for group in of_kind(resources, "TargetGroup").values()
    }

    assert checks == {("8479", "/leader")} == {(str(contract.GUARD_PORT), contract.LEADER_PATH)}


def test_load_balancer_reaches_rays_ports_and_the_guard(resources: dict[str, Any]) -> None:
    balancer = resources["LoadBalancerSecurityGroup"]
    to_heads = {
        rule["FromPort"]
        for rule in of_kind(resources, "FromLoadBalancer").values()
        if rule["GroupId"] == "HeadSecurityGroup"
    }
    rules = [
        rule[1] if isinstance(rule, list) else rule for rule in balancer["SecurityGroupIngress"]
    ]

    assert to_heads == {6379, 10001, 8265, 8479} == {*contract.RAY_PORTS, contract.GUARD_PORT}
    assert {rule["FromPort"] for rule in balancer["SecurityGroupEgress"]} == to_heads
    assert {rule["FromPort"] for rule in rules} == {*contract.RAY_PORTS}


def test_workers_reach_rays_ports_of_the_load_balancer(resources: dict[str, Any]) -> None:
    ports = {rule["FromPort"] for name, rule in resources.items() if "WorkerToLoadBalancer" in name}

    assert ports == {6379, 10001, 8265} == {*contract.RAY_PORTS}


def test_nodes_take_all_tcp_from_each_other_but_metrics_only_from_heads(
    resources: dict[str, Any],
) -> None:
    def ports(*names: str) -> set[int]:
        ranges = [(resources[n]["FromPort"], resources[n]["ToPort"]) for n in names]
        return {port for first, last in ranges for port in range(first, last + 1)}

    every = set(range(65_536))
    for to in ("Head", "Worker"):
        assert every - ports(f"{to}FromWorkers", f"{to}FromWorkersAbove") == {8480}
        assert ports(f"{to}FromHeads") == every
    assert contract.METRICS_PORT == 8480


def test_a_head_may_send_metrics_to_the_one_workspace_alone(resources: dict[str, Any]) -> None:
    condition, policy, nothing = resources["HeadRole"]["Policies"][-1]

    assert (condition, nothing) == ("SendsMetrics", "AWS::NoValue")
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Sid": "SendMetrics",
            "Effect": "Allow",
            "Action": "aps:RemoteWrite",
            "Resource": "MetricsWorkspaceArn",
        }
    ]


@pytest.mark.parametrize(("resource", "role"), [("HeadLogs", "head"), ("WorkerLogs", "worker")])
def test_log_groups_are_where_the_shipper_writes(
    resources: dict[str, Any], resource: str, role: str
) -> None:
    name = resources[resource]["LogGroupName"]

    assert name == f"/raykiln/${{Environment}}/{role}"
    assert name == contract.LOG_GROUP.format(environment="${Environment}", role=role)


def test_what_jobs_print_has_a_group_that_both_roles_write_and_that_forgets(
    resources: dict[str, Any],
) -> None:
    group = resources["JobLogs"]
    workers = {"Policies": [resources["WorkerPolicy"]]}
    ship = [statement(role, "ShipLogs") for role in (resources["HeadRole"], workers)]

    assert group["LogGroupName"] == "/raykiln/${Environment}/jobs"
    assert group["LogGroupName"] == contract.JOB_LOG_GROUP.format(environment="${Environment}")
    assert group["RetentionInDays"] == "LogRetentionDays"
    assert [found["Resource"] for found in ship] == [
        ["HeadLogs.Arn", "JobLogs.Arn"],
        ["WorkerLogs.Arn", "JobLogs.Arn"],
    ]
    assert [found["Action"] for found in ship] == [
        ["logs:CreateLogStream", "logs:PutLogEvents"]
    ] * 2


@pytest.mark.parametrize(
    ("alarm", "metric", "shared"),
    [
        ("HeadNotReadyAlarm", "HeadReady", contract.HEAD_READY),
        ("NoLeaderAlarm", "HeadLeader", contract.HEAD_LEADER),
        ("NoStandbyAlarm", "HeadStandingBy", contract.HEAD_STANDING_BY),
        ("AutoscalerAlarm", "AutoscalerWorking", contract.AUTOSCALER_WORKING),
    ],
)
def test_alarms_watch_what_the_guard_sends(
    resources: dict[str, Any], alarm: str, metric: str, shared: str
) -> None:
    found = resources[alarm]

    assert found["MetricName"] == metric == shared
    assert found["Namespace"] == "MetricNamespace"
    assert [dimension["Name"] for dimension in found["Dimensions"]] == ["Environment"]
    assert contract.ENVIRONMENT_DIMENSION == "Environment"


def test_dashboard_shows_what_nodes_send(resources: dict[str, Any]) -> None:
    body, _ = resources["Dashboard"]["DashboardBody"]
    environment = f'"{contract.ENVIRONMENT_DIMENSION}", "${{Environment}}"'

    assert f'["${{MetricNamespace}}", "{contract.HEAD_READY}", {environment}]' in body
    assert f'"{contract.HEAD_LEADER}"' in body
    assert f'"{contract.HEAD_STANDING_BY}"' in body
    assert f'"{contract.AUTOSCALER_WORKING}"' in body
    assert f'"{contract.GAVE_UP}", {environment}, "{contract.ROLE_DIMENSION}", "head"' in body


def test_lease_table_has_the_leases_key(resources: dict[str, Any]) -> None:
    [key] = resources["LeaseTable"]["KeySchema"]

    assert key["AttributeName"] == "cluster" == contract.LEASE_KEY


@pytest.mark.parametrize("sid", ["TagAsHead", "UntagTheLastHead"])
def test_heads_may_move_their_tags_between_heads(resources: dict[str, Any], sid: str) -> None:
    condition = statement(resources["HeadRole"], sid)["Condition"]

    assert condition["StringEquals"] == {
        "aws:ResourceTag/raykiln:environment": "Environment",
        "aws:ResourceTag/raykiln:role": "head",
    }
    assert condition["StringEquals"].keys() == {
        f"aws:ResourceTag/{tag}" for tag in (contract.ENVIRONMENT_TAG, contract.ROLE_TAG)
    }
    tags = condition["ForAllValues:StringEquals"]["aws:TagKeys"]
    assert tags == ["ray-cluster-name", "ray-node-type", "ray-user-node-type"] == [*HEAD_TAGS]


def test_heads_launch_and_terminate_workers_by_rays_tags(resources: dict[str, Any]) -> None:
    head = resources["HeadRole"]
    tags = {contract.CLUSTER_NAME_TAG: "Environment", contract.NODE_KIND_TAG: contract.WORKER}

    assert tags == {"ray-cluster-name": "Environment", "ray-node-type": "worker"}
    for sid, scope in (
        ("LaunchWorkersOfThisCluster", "RequestTag"),
        ("TerminateWorkersOfThisCluster", "ResourceTag"),
    ):
        condition = statement(head, sid)["Condition"]["StringEquals"]
        assert condition == {f"aws:{scope}/{tag}": value for tag, value in tags.items()}


# --- The remediation function --------------------------------------------------------------------


def test_remediation_reads_the_leases_attributes() -> None:
    shared = {
        contract.LEASE_KEY,
        contract.LEASE_HOLDER,
        contract.LEASE_EPOCH,
        contract.LEASE_BEAT,
    }

    assert shared == {"cluster", "holder", "epoch", "beat"}
    assert shared <= strings(FOUNDATION / "remediation.py")


def test_remediation_waits_longer_than_a_lease_and_a_lock_take_to_lapse() -> None:
    """The rule that a counter which stood still has no holder: lease, lock, remediation."""
    assert (LEASE_TIMES.length, remediation.LEASE_STILL) == (10.0, 12)
    assert (LAPSE, remediation.LOCK_STILL) == (30.0, 35)
    assert LEASE_TIMES.length < remediation.LEASE_STILL
    assert remediation.LOCK_STILL > LAPSE


# --- Units and provisioners ----------------------------------------------------------------------


def test_units_have_the_contracts_names() -> None:
    found = {path.name for path in (ROOT / "systemd").glob("*.service")}

    assert found == {f"{unit}.service" for unit in contract.UNITS}


@pytest.mark.parametrize(
    ("role", "units"),
    [
        (
            "head",
            {contract.HEAD_UNIT, contract.METADATA_UNIT, "ray-prometheus", "ray-remote-write"},
        ),
        ("worker", {contract.WORKER_UNIT, contract.WATCHDOG_UNIT}),
    ],
)
def test_roles_enable_the_contracts_units(role: str, units: set[str]) -> None:
    enabled = entries(PROVISIONERS / f"roles/{role}.units")

    assert enabled == {
        f"{unit}.service" for unit in {"ray-identity", "ray-logs", "ray-log-limit"} | units
    }


def test_units_wait_for_user_data_and_the_identity() -> None:
    for unit in set(contract.UNITS) - {contract.GIVE_UP_UNIT}:
        text = (ROOT / f"systemd/{unit}.service").read_text()
        assert f"ConditionPathExists={contract.NODE_YAML}\n" in text, unit
    for unit in (contract.HEAD_UNIT, contract.WORKER_UNIT):
        text = (ROOT / f"systemd/{unit}.service").read_text()
        assert f"EnvironmentFile={contract.RUN_FOLDER}/node.env\n" in text, unit
        assert f"OnFailure={contract.GIVE_UP_UNIT}.service\n" in text, unit


def test_provisioners_make_the_contracts_files() -> None:
    rootfs = PROVISIONERS / "rootfs"
    wrapper = (rootfs / contract.RAY_COMMAND.lstrip("/")).read_text()

    assert f":-{contract.TOKEN_FILE}}}" in wrapper
    assert f"Leaves  {contract.IMAGE_JSON} " in (PROVISIONERS / "84-report.sh").read_text()
    assert Path(contract.IMAGE_JSON).name in strings(PROVISIONERS / "report.py")
    for role, log in contract.BOOTSTRAP_LOGS.items():
        made = (PROVISIONERS / f"roles/{role}.tmpfiles.conf").read_text()
        assert f"f {log} " in made
        assert re.search(rf"^d {contract.RUN_FOLDER} ", made, re.M)
        assert log in (rootfs / "etc/logrotate.d/raykiln").read_text()


def test_packer_tags_images_with_their_role() -> None:
    shared = (ROOT / "packer/locals.pkr.hcl").read_text()

    assert re.findall(rf'"{contract.ROLE_TAG}" += var.role\n', shared)
    for version in ("1.6.6", "current"):
        text = (ROOT / f"packer/{version}/sources.pkr.hcl").read_text()
        tagged = re.findall(r"^  (\w*tags) += local.image_tags$", text, re.M)
        assert tagged == ["snapshot_tags", "tags"]


# --- node/ itself --------------------------------------------------------------------------------


def test_an_image_is_tagged_with_the_contract_s_version() -> None:
    source = (ROOT / "packer/locals.pkr.hcl").read_text()

    assert re.findall(r'"raykiln:contract" += "(.+)"', source) == [contract.VERSION]


def test_the_provider_is_where_the_autoscaler_looks_for_it() -> None:
    module, _, name = contract.PROVIDER.rpartition(".")
    source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text()

    classes = [n.name for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ClassDef)]
    assert name in classes


def test_identity_has_the_keys_of_node_yaml() -> None:
    keys = {value for name, value in vars(contract).items() if name.endswith("_KEY")}

    assert keys - {contract.LEASE_KEY} == {f.name for f in fields(Identity)} - FROM_METADATA


@pytest.mark.parametrize(
    ("event", "mark"),
    [
        (contract.GIVING_UP, contract.GIVING_UP_MARK),
        (contract.DRAINING, contract.DRAINING_MARK),
    ],
)
def test_marks_are_how_a_line_begins(event: str, mark: str) -> None:
    assert logfmt(event, {"role": "head"}) == f"{mark} role=head"
