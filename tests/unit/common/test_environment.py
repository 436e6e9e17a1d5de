"""Environments: what a user may write, and how mistakes are reported."""

from pathlib import Path

import pytest

from common.environment import FOLDER, load_environment
from common.environment_tables import Rollout
from common.errors import Refused
from deploy.foundation.desired_stack import parameters

COMPLETE = """
region = "eu-central-1"
account_id = "111122223333"
[network]
operator_cidrs = ["10.0.0.0/8"]
[image]
base_name = "debian-12-*"
base_owner = "136693071363"
[head]
instance_type = "m6i.xlarge"

[workers]
instance_type = "m6i.xlarge"
min = 1
max = 4

[dns]
zone = "ray.internal"
"""


def refusal(folder: Path, text: str) -> str:
    (folder / "dev.toml").write_text(text)
    with pytest.raises(Refused) as refused:
        load_environment("dev", folder)
    return str(refused.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("prod", "prod-nodes"),
        ("prod-nodes", "prod"),
        ("prod-account", "prod"),
        ("prod", "prod-bakes"),
        ("prod-dead-letters", "prod"),
    ],
)
def test_two_environments_whose_resources_would_have_one_name_are_refused(
    tmp_path: Path, one: str, other: str
) -> None:
    (tmp_path / f"{one}.toml").write_text(COMPLETE)
    assert load_environment(one, tmp_path).name == one

    (tmp_path / f"{other}.toml").write_text(COMPLETE)
    with pytest.raises(Refused, match=rf"^{one}\.toml and {other}\.toml: ") as refused:
        load_environment(one, tmp_path)
    assert refused.value.hint == "give the file of the one that is not deployed yet another name"

    (tmp_path / f"{other}.toml").write_text(COMPLETE.replace("111122223333", "444455556666"))
    assert load_environment(one, tmp_path).name == one


def test_environments_whose_names_only_begin_alike_stand_beside_each_other(tmp_path: Path) -> None:
    for name in ("prod", "prod-eu"):
        (tmp_path / f"{name}.toml").write_text(COMPLETE)

    assert load_environment("prod", tmp_path).stack == "raykiln-prod"
    assert load_environment("prod-eu", tmp_path).stack == "raykiln-prod-eu"


def test_names_are_derived_from_the_environment_s_name(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text(COMPLETE)

    environment = load_environment("dev", tmp_path)

    assert environment.head_group == "ray-head-asg-dev"
    assert environment.head_dns == "ray-head.dev.ray.internal"
    assert environment.secret == "/ray/dev/redis_password"
    assert environment.state_secret == "/ray/dev/state_password"
    assert environment.bucket == "raykiln-dev-111122223333-eu-central-1"
    assert environment.names.metric_namespace == "Ray/Head"


@pytest.mark.parametrize(
    ("share", "workers", "count"),
    [("10%", 3, 1), ("10%", 0, 1), ("10%", 25, 2), ("100%", 7, 7), ("2", 100, 2), ("67%", 3, 2)],
)
def test_of_a_share_at_least_one_worker_may_be_replaced_at_once(
    share: str, workers: int, count: int
) -> None:
    assert Rollout(max_unavailable=share).unavailable(workers) == count


def test_a_name_can_be_overridden(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text(COMPLETE + '[names]\nhead_group = "the-head"\n')

    assert load_environment("dev", tmp_path).head_group == "the-head"


def test_all_mistakes_are_reported_at_once_with_file_and_key(tmp_path: Path) -> None:
    text = COMPLETE.replace("eu-central-1", "europe").replace("max = 4", 'max = "many"')

    words = refusal(tmp_path, text + "\n[colour]\nhead = 1\n")

    assert "3 mistakes" in words
    assert "dev.toml: region:" in words
    assert "dev.toml: workers.worker.max:" in words
    assert "dev.toml: colour:" in words


@pytest.mark.parametrize("name", ["acme/ray", "acme@123456/ray@456789"])
def test_a_repository_is_named_as_in_githubs_tokens(tmp_path: Path, name: str) -> None:
    text = f'{COMPLETE}[account]\nrepository = "{name}"\n'
    (tmp_path / "dev.toml").write_text(text)

    assert load_environment("dev", tmp_path).account.repository == name


@pytest.mark.parametrize(
    "name", ["acme", "acme@1/ray", "acme/ray@1", "acme@/ray@1", "acme@x/ray@1", "acme/ray:ref"]
)
def test_a_repository_with_half_of_its_ids_is_a_mistake(tmp_path: Path, name: str) -> None:
    words = refusal(tmp_path, f'{COMPLETE}[account]\nrepository = "{name}"\n')

    assert "account.repository" in words
    assert "owner/name or owner@123456/name@456789" in words


@pytest.mark.parametrize(("name", "more", "count"), [("dev", "", 1), ("prod", "max = 4", 2)])
def test_an_environment_has_no_other_name_than_its_file(
    tmp_path: Path, name: str, more: str, count: int
) -> None:
    words = refusal(tmp_path, f'name = "{name}"\n{more}\n{COMPLETE}')

    assert f"{count} mistake" in words
    assert "dev.toml: name: an environment's name is that of its file" in words


def test_a_minimum_of_workers_above_the_maximum_is_a_mistake(tmp_path: Path) -> None:
    words = refusal(tmp_path, COMPLETE.replace("min = 1", "min = 9"))

    assert "workers.worker: min (9) is above max (4)" in words


ONE_KIND = """
[workers]
instance_type = "m6i.xlarge"
min = 1
max = 4
"""
GROUP = """
[workers.gpu]
instance_types = ["g6.xlarge", "g5.xlarge"]
market = "spot-then-on-demand"
min = 0
max = 8
resources = { big_disk = 1 }
labels = { team = "search" }
"""
ON_EC2 = '\n[documents]\nruns_on = "ec2"\n'
GROUP_OF_DOCUMENTS = '[workers.documents]\ninstance_types = ["m6i.large"]\nmin = 1\nmax = 2\n'
ONE_ZONE = '\nzones = ["us-east-1a"]'


def test_a_file_with_one_kind_of_worker_has_a_group_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text(COMPLETE)

    workers = load_environment("dev", tmp_path).workers

    assert list(workers) == ["worker"]
    assert workers["worker"].instance_types == ("m6i.xlarge",)
    assert workers["worker"].markets == ("on-demand",)


def test_a_group_has_several_types_and_markets_in_order_of_preference(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text(COMPLETE.replace(ONE_KIND, GROUP))

    group = load_environment("dev", tmp_path).workers["gpu"]

    assert group.instance_types == ("g6.xlarge", "g5.xlarge")
    assert group.markets == ("spot", "on-demand")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ONE_KIND + "cpus = 4", "workers: cpus: remove it: vCPUs are those of the instance type"),
        (GROUP + "cpus = 4", "workers: gpu.cpus: remove it: vCPUs are those of the instance type"),
        (GROUP.replace(".gpu", ".head"), "'head' cannot name a group"),
        (GROUP.replace("big_disk", "GPU"), "workers.gpu.resources: GPU: Ray's own names"),
        (
            GROUP.replace("big_disk", "driver"),
            "workers.gpu.resources: driver: each worker offers it to drivers of jobs already",
        ),
        (GROUP.replace("team =", '"ray.io/team" ='), "labels that begin with ray.io/ are Ray's"),
        (GROUP.replace("g5.x", "g6.x"), "workers.gpu.instance_types: an instance type is named tw"),
        (GROUP + 'image = "gpu"', "workers.gpu.image: there is no [images.gpu]"),
        (
            GROUP + 'image = "gpu"\n[images.gpu]\npython = "3.12"',
            "workers.gpu.image has Python 3.12, the head's image 3.11: Ray needs the same",
        ),
        (GROUP + ON_EC2, "documents.group: there is no [workers.documents]"),
        (GROUP + ON_EC2 + GROUP_OF_DOCUMENTS, "head is launched from [image]: set documents = tr"),
        (
            GROUP + ON_EC2 + GROUP_OF_DOCUMENTS.replace("min = 1", "min = 0"),
            "workers.documents.min = 0: documents are answered by one worker at least",
        ),
        (
            GROUP
            + '[nodes]\nkms_key = "arn:aws:kms:us-east-1:123456789012:key/mrk-'
            + "0" * 32
            + '"\n[images.a]\nencrypted = false',
            "a: encrypted = false, but nodes.kms_key is given",
        ),
        (GROUP + "volume = { iops = 2999 }", "gp3 has 3000 to 80000 IOPS"),
        (GROUP + "volume = { gib = 6, iops = 3001 }", "iops = 3001 needs 7 GiB (500 for each)"),
        (
            GROUP + "volume = { initialization_rate = 301 }",
            "EBS initializes volumes at 100 to 300 MiB/s",
        ),
        (
            GROUP + "volume = { initialization_rate = 99 }",
            "EBS initializes volumes at 100 to 300 MiB/s",
        ),
        (GROUP + "volume = { throughput = 751 }", "throughput = 751 needs 3004 iops"),
        (
            GROUP + 'zones = ["us-east-1"]',
            "workers.gpu.zones.0: 'us-east-1' is not like us-east-1a",
        ),
        (GROUP + 'egress = ["tcp/70000 to 10.0.0.0/8"]', "tcp/70000 to 10.0.0.0/8: ports are 1"),
        (GROUP + 'egress = ["tcp/80 to 10.0.0.1/8"]', "10.0.0.1/8 has host bits set"),
        (
            GROUP + 's3_read = ["Bucket/*"]',
            "workers.gpu.s3_read.0: 'Bucket/*' is not like 'bucket/",
        ),
        (GROUP + 'efs = [{ id = "fs-01234567", mount = "/etc" }]', "/etc belongs to the system"),
        (GROUP + 'efs = [{ id = "fs-01234567", mount = "/snap" }]', "/snap belongs to the system"),
        (GROUP + 's3_read = ["a-bucket/"]', "'a-bucket/' holds none of the objects below it"),
        (
            GROUP + 's3_write = ["a-bucket/runs/"]',
            "workers.gpu.s3_write.0: 'a-bucket/runs/' holds none of the objects below it: write "
            "'a-bucket/runs/*'",
        ),
        (
            GROUP + 's3_read = ["a-bucket/数据/*"]',
            "'a-bucket/数据/*' has characters that IAM takes in no policy",
        ),
        (
            GROUP + 's3_read = ["a-bucket/a\\u0007b/*"]',
            "has characters that IAM takes in no policy",
        ),
        (GROUP.replace("min = 0", "min = true"), "workers.gpu.min: a whole number is needed"),
        (
            GROUP + 'capacity_reservation_id = "cr-01234567"' + ONE_ZONE,
            "is for on-demand instances",
        ),
        (GROUP + "efa = true", "workers.gpu: efa: in one zone alone, which zones must name"),
        (GROUP + 's3_read = ["a..b/*"]', "workers.gpu.s3_read.0: 'a..b/*' is not like"),
        (GROUP + 'zones = ["us-east-1a", "us-east-1a"]', "gpu.zones: a zone is named twice"),
        (GROUP.replace("big_disk", '""'), "'' cannot name a resource"),
        (GROUP.replace("big_disk", '"a\\nb"'), "cannot name a resource"),
        (
            GROUP.replace("big_disk = 1", "a = 100_000_000_000_001"),
            "resources.a: 100000000000001 is above 100000000000000",
        ),
        (GROUP.replace("team", f'"{"x" * 64}.org/team"'), "63 at most"),
        (
            GROUP.replace("spot-then-on-demand", "on-demand") + 'rebalance = "ignore"',
            'workers.gpu: rebalance = "ignore" does nothing',
        ),
        (
            GROUP + "volume = { iops = 10001 }",
            "workers.gpu.volume: iops = 10001 needs 21 GiB (500 for each), and the volume has 20",
        ),
        (
            GROUP + 'efs = [{ id = "fs-01234567", mount = "/opt/ray" }]',
            "workers.gpu.efs.0.mount: /opt/ray belongs to the system",
        ),
        (
            GROUP + 'efs = [{ id = "fs-01234567", mount = "/mnt/instance-store" }]',
            "workers.gpu.efs.0.mount: /mnt/instance-store belongs to the system",
        ),
        (
            GROUP + 'efs = [{ id = "fs-01234567", mount = "/mnt" }]',
            "workers.gpu.efs.0.mount: /mnt belongs to the system",
        ),
        (
            GROUP + 'efs = [{ id = "fs-01234567", mount = "/a/./b" }]',
            "workers.gpu.efs.0.mount: /a/./b: no . or .. in a path",
        ),
        (
            GROUP
            + 'efs = [{ id = "fs-01234567", mount = "/a" }]\n'
            + '[nodes]\nefs = [{ id = "fs-76543210", mount = "/a" }]',
            "workers.gpu: fs-76543210 and fs-01234567 are both mounted at /a",
        ),
        (
            GROUP.replace("instance_types = [", 'instance_type = "m6i.large"\n#'),
            "workers: gpu.instance_type: write a list",
        ),
        (ONE_KIND + 'instance_types = ["m6i.large"]', "give instance_type or instance_types"),
        (ONE_KIND + GROUP, "workers: gpu: [workers] describes the only group"),
        ("[[workers]]\nmin = 1", "dev.toml: workers: a table is needed"),
        (
            GROUP + 'placement = "cluster"\nzones = ["us-east-1a", "us-east-1b"]',
            "placement: in one zone alone",
        ),
    ],
)
def test_a_group_that_cannot_be_is_a_mistake(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, COMPLETE.replace(ONE_KIND, text))


def test_objects_may_have_names_with_spaces_and_accents(tmp_path: Path) -> None:
    own = 's3_read = ["a-bucket/my data/größe/*"]'
    (tmp_path / "dev.toml").write_text(COMPLETE.replace(ONE_KIND, GROUP + own))

    group = load_environment("dev", tmp_path).workers["gpu"]

    assert group.s3_read == ("a-bucket/my data/größe/*",)


def test_a_group_may_be_in_a_local_zone(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text(
        COMPLETE.replace(ONE_KIND, GROUP + 'zones = ["us-west-2-lax-1a"]')
    )

    assert load_environment("dev", tmp_path).workers["gpu"].zones == ("us-west-2-lax-1a",)


def test_all_that_does_not_go_together_is_reported_at_once(tmp_path: Path) -> None:
    other = GROUP.replace(".gpu", ".other") + 'image = "b"\nvolume = { iops = 30000 }'
    text = GROUP + 'image = "a"' + other + "\n[nodes]\n"
    efs = ", ".join(f'{{ id = "fs-0123456{n}", mount = "/a" }}' for n in (7, 8))

    words = refusal(tmp_path, COMPLETE.replace(ONE_KIND, text + f"efs = [{efs}]"))

    assert words.splitlines()[1:6] == [
        "  dev.toml: workers.gpu.image: there is no [images.a]",
        "  dev.toml: workers.other.image: there is no [images.b]",
        "  dev.toml: head: fs-01234567 and fs-01234568 are both mounted at /a",
        "  dev.toml: workers.gpu: fs-01234567 and fs-01234568 are both mounted at /a",
        "  dev.toml: workers.other: fs-01234567 and fs-01234568 are both mounted at /a",
    ]


def test_an_image_name_without_its_owner_is_a_mistake(tmp_path: Path) -> None:
    words = refusal(tmp_path, COMPLETE.replace('base_owner = "136693071363"', ""))

    assert "anyone's images" in words


def test_malformed_toml_names_the_file_and_the_line(tmp_path: Path) -> None:
    words = refusal(tmp_path, COMPLETE + "\nmax = = 3\n")

    assert "dev.toml is not TOML" in words
    assert "line" in words


def test_an_unknown_environment_names_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text(COMPLETE)

    with pytest.raises(Refused, match="known environments: dev"):
        load_environment("production", tmp_path)


def test_a_refusal_ends_with_exit_code_1() -> None:
    assert Refused("no").exit_code == 1


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("staging", {"account_id"}),
        (
            "prod",
            {
                "account_id",
                "network.vpc_id",
                "network.private_subnet_ids.0",
                "network.private_subnet_ids.1",
                "image.build_subnet_id",
                "alarms.email",
            },
        ),
    ],
)
def test_a_shipped_environment_lacks_only_its_owner_s_values(name: str, missing: set[str]) -> None:
    with pytest.raises(Refused) as refused:
        load_environment(name)

    lines = str(refused.value).splitlines()
    reported = {line.split(": ")[1] for line in lines if "only you know" in line}
    assert reported == missing
    assert f"{len(missing)} mistake" in lines[0]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[tags]\nteam = "FILL-IN: whose"', "tags.team"),
        ('[tags]\n"FILL-IN: key" = "x"', "tags.FILL-IN: key.[key]"),
    ],
)
def test_a_tag_that_is_not_filled_in_is_a_mistake(tmp_path: Path, text: str, place: str) -> None:
    words = refusal(tmp_path, f"{COMPLETE}\n{text}\n")

    assert f"dev.toml: {place}: is still 'FILL-IN: " in words


def test_the_local_environment_is_complete() -> None:
    assert load_environment("local", FOLDER).provider == "localcloud"


def in_head(line: str) -> str:
    return COMPLETE.replace("[workers]", f"{line}\n[workers]")


def test_ray_s_state_can_be_kept_in_redis(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text(in_head('state = "redis"\nredis = "state.ray:6379"'))

    assert load_environment("dev", tmp_path).head.redis == "state.ray:6379"


def test_redis_can_use_tls(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text(in_head('state = "redis"\nredis = "rediss://state:6380"'))

    environment = load_environment("dev", tmp_path)

    assert environment.head.redis == "rediss://state:6380"
    assert parameters(environment)["StatePort"] == "6380"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('state = "redis"', "needs redis_node_type, for example"),
        ('redis = "a:1"\nredis_node_type = "cache.t4g.small"', "give redis or redis_node_type"),
        (
            'redis_node_type = "t4g.small"',
            "head.redis_node_type: 't4g.small' is not like cache.t4g.small",
        ),
        ('redis = "state.ray:6379"', 'state = "none" would not use it'),
        ('state = "redis"\nredis = "state.ray"', "is not like redis.example.com:6379"),
        ('state = "redis"\nredis = "redis://state.ray:6379"', "is not like redis.example.com:6379"),
    ],
)
def test_state_needs_exactly_one_address(tmp_path: Path, lines: str, words: str) -> None:
    assert words in refusal(tmp_path, in_head(lines))


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dev.toml"
    path.write_bytes(COMPLETE.encode() + '[tags]\nowner = "M\xfcller"\n'.encode("latin-1"))

    with pytest.raises(Refused) as refused:
        load_environment("dev", tmp_path)
    assert refused.value.message == f"{path} is not UTF-8: byte {len(COMPLETE) + 18}"


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_bytes(b"\xef\xbb\xbf" + COMPLETE.encode())

    assert load_environment("dev", tmp_path).account_id == "111122223333"


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dev.toml"
    path.mkdir()

    with pytest.raises(Refused) as refused:
        load_environment("dev", tmp_path)
    assert refused.value.message == f"{path}: Is a directory"


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000, "2026-13-01"])
def test_a_value_that_toml_cannot_hold_is_refused(tmp_path: Path, value: str) -> None:
    assert "dev.toml is not TOML" in refusal(tmp_path, f"region = {value}")


def test_a_date_where_text_is_expected_is_refused_with_its_key(tmp_path: Path) -> None:
    words = refusal(tmp_path, COMPLETE + "[tags]\nsince = 2026-11-22\n")

    assert "dev.toml: tags.since: a string is needed, in quotes" in words
