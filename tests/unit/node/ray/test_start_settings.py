"""How Ray is started, with and without stored state."""

from node.ray.start_settings import (
    head_arguments,
    head_environment,
    worker_arguments,
    worker_environment,
)
from tests.unit.node.fakes import an_identity

REDIS = "state.ray.internal:6379"
RECONNECT = "RAY_gcs_rpc_server_reconnect_timeout_s"


COMMON = {
    "RAY_CLOUD_INSTANCE_ID": "i-0a",
    "RAY_NODE_TYPE_NAME": "head",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN_PATH": "/run/ray/token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ROTATION_MAX_BYTES": "33554432",
    "RAY_ROTATION_BACKUP_COUNT": "2",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def test_a_head_s_ray_is_started_with_these_settings() -> None:
    assert head_environment(an_identity()) == COMMON | {
        "RAY_enable_autoscaler_v2": "1",
        "RAY_PROMETHEUS_HOST": "http://127.0.0.1:9090",
        "RAY_GRAFANA_HOST": "DISABLED",
    }
    assert head_arguments(an_identity()) == [
        "start",
        "--head",
        "--block",
        "--num-cpus=0",
        "--node-ip-address=10.0.0.1",
        "--port=6379",
        "--no-monitor",
        "--dashboard-host=0.0.0.0",
        "--metrics-export-port=8480",
        "--disable-usage-stats",
        "--log-color=false",
    ]


def test_a_worker_s_ray_is_started_with_these_settings() -> None:
    plain = [
        "start",
        "--block",
        "--address=ray-head.test.ray.internal:6379",
        "--node-ip-address=10.0.0.1",
        "--metrics-export-port=8480",
        "--disable-usage-stats",
        "--log-color=false",
    ]
    gpu = an_identity(
        gpus="2",
        resources='{"shelf": 1}',
        labels="a=b",
        object_store_bytes="1000",
        instance_store="spill",
    )

    assert worker_environment(an_identity()) == COMMON | {
        "RAY_raylet_liveness_self_check_interval_ms": "1000",
        "RAY_grpc_client_keepalive_time_ms": "5000",
        "RAY_grpc_client_keepalive_timeout_ms": "3000",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "20",
    }
    assert worker_arguments(an_identity()) == [*plain, '--resources={"driver": 1000}']
    assert worker_arguments(gpu) == [
        *plain,
        "--num-gpus=2",
        '--resources={"shelf": 1, "driver": 1000}',
        "--labels=a=b",
        "--object-store-memory=1000",
        "--temp-dir=/mnt/instance-store/ray",
    ]


def test_without_redis_a_head_stores_nothing_and_raylets_end_within_seconds() -> None:
    assert not [key for key in head_environment(an_identity()) if "REDIS" in key]
    assert worker_environment(an_identity())[RECONNECT] == "20"


def test_with_redis_a_head_stores_its_tables_and_raylets_wait_for_the_next() -> None:
    environment = head_environment(an_identity(redis=REDIS))

    assert environment["RAY_REDIS_ADDRESS"] == REDIS
    assert environment["RAY_external_storage_namespace"] == "test"
    assert worker_environment(an_identity(redis=REDIS))[RECONNECT] == "600"


def test_a_redis_with_tls_is_trusted_by_the_machines_authorities() -> None:
    plain, secure = (head_environment(an_identity(redis=r)) for r in (REDIS, f"rediss://{REDIS}"))

    assert secure["RAY_REDIS_ADDRESS"] == f"rediss://{REDIS}"
    assert secure["RAY_REDIS_CA_CERT"] == "/etc/ssl/certs/ca-certificates.crt"
    assert "RAY_REDIS_CA_CERT" not in plain


def test_every_node_has_its_metrics_at_the_port_that_heads_alone_reach() -> None:
    for arguments in (head_arguments(an_identity()), worker_arguments(an_identity(role="worker"))):
        assert "--metrics-export-port=8480" in arguments


def test_the_dashboard_shows_graphs_of_a_grafana_that_is_given_and_looks_for_no_other() -> None:
    without = head_environment(an_identity())
    given = head_environment(an_identity(grafana="https://grafana.example.com"))

    assert without["RAY_GRAFANA_HOST"] == "DISABLED"
    assert given["RAY_GRAFANA_HOST"] == "https://grafana.example.com"
    assert given["RAY_PROMETHEUS_HOST"] == "http://127.0.0.1:9090"


def test_a_browser_may_reach_that_grafana_at_another_address() -> None:
    grafana = "http://10.0.0.9:3000"
    one = head_environment(an_identity(grafana=grafana))
    other = head_environment(
        an_identity(grafana=grafana, grafana_in_browser="http://127.0.0.1:3000")
    )

    assert "RAY_GRAFANA_IFRAME_HOST" not in one
    assert other["RAY_GRAFANA_HOST"] == grafana
    assert other["RAY_GRAFANA_IFRAME_HOST"] == "http://127.0.0.1:3000"


def test_logs_rotate_also_those_of_workers() -> None:
    for environment in (head_environment(an_identity()), worker_environment(an_identity())):
        assert environment["RAY_ROTATION_MAX_BYTES"] == "33554432"
        assert environment["RAY_ROTATION_BACKUP_COUNT"] == "2"


def test_no_argument_or_variable_holds_a_password() -> None:
    identity = an_identity(redis=REDIS)
    told = [*head_arguments(identity), *head_environment(identity)]

    assert not [word for word in told if "password" in word.lower()]


def test_a_worker_offers_the_gpus_resources_and_labels_of_its_group() -> None:
    told = {"gpus": "4", "resources": '{"big_disk": 1}', "labels": "team=search"}

    assert worker_arguments(an_identity(role="worker", **told))[-3:] == [
        "--num-gpus=4",
        '--resources={"big_disk": 1, "driver": 1000}',
        "--labels=team=search",
    ]


def test_a_worker_of_any_group_offers_what_drivers_of_jobs_take() -> None:
    words = worker_arguments(an_identity(role="worker"))

    added = ("--num-gpus", "--resources", "--labels")
    assert [word for word in words if word.startswith(added)] == ['--resources={"driver": 1000}']


def test_a_worker_starts_with_the_object_store_of_its_group() -> None:
    assert "--object-store-memory=4294967296" in worker_arguments(
        an_identity(object_store_bytes="4294967296")
    )
    assert not [word for word in worker_arguments(an_identity()) if "object-store" in word]


def test_a_worker_s_sessions_and_spilled_objects_are_on_its_instance_store() -> None:
    assert "--temp-dir=/mnt/instance-store/ray" in worker_arguments(
        an_identity(instance_store="spill")
    )
    assert not [word for word in worker_arguments(an_identity()) if "temp-dir" in word]
