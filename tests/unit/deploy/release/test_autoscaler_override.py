"""``autoscaler_file``: every mistake is refused with file and key, before anything changes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.clients import Clients
from common.errors import Refused
from deploy.release import choice, ray_schema
from deploy.release.autoscaler_override import (
    REFUSED,
    REFUSED_OF_GROUP,
    launching_types,
    node_types,
    read_override,
)
from deploy.release.choice import requested_release
from deploy.release.ray_schema import schema_path
from deploy.release.release import Release
from tests.unit.deploy.builders import REGION, an_environment, an_image, facts_named, the_settings

TYPE = {"resources": {"CPU": 2}, "node_config": {"SubnetIds": ["subnet-a"]}, "min_workers": 1}
TEMPLATE = {"LaunchTemplateId": "lt-1"}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, of an environment whose images are baked with Ray 2.60."""
    monkeypatch.setattr(choice, "images", lambda clients: ())
    monkeypatch.setattr(choice, "whole_channel", lambda clients, environment: {})
    monkeypatch.setattr(choice, "type_facts", lambda clients, names: facts_named(names))
    monkeypatch.setattr(choice, "choose_image", lambda *wanted: an_image(f"ami-{wanted[-1]}"))
    return tmp_path / "dev.autoscaler.yaml"


def release_with(path: Path, content: str | bytes, **tables: Any) -> Release:
    """Return the release that an environment with this ``autoscaler_file`` asks for."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    environment = an_environment(autoscaler_file=path.name, **tables)
    return requested_release(Clients(REGION), environment, path.parent)


def refusal(path: Path, content: str | bytes, **tables: Any) -> str:
    with pytest.raises(Refused) as refused:
        release_with(path, content, **tables)
    assert refused.value.hint
    return refused.value.message


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("max_worker: 5", "'max_worker' was unexpected"),
        ('idle_timeout_minutes: "5"', "idle_timeout_minutes: '5' is not of type 'number'"),
        ("idle_timeout_minutes: -1", "idle_timeout_minutes: -1 is less than the minimum of 0"),
        ("upscaling_speed: fast", "upscaling_speed: 'fast' is not of type 'number'"),
        ("max_workers: 2.5", "max_workers: 2.5 is not of type 'integer'"),
        ("max_workers: yes", "max_workers: True is not of type 'integer'"),
        ("max_workers: 0", "max_workers (0) is below the sum of all min_workers (1)"),
        ("available_node_types: []", "available_node_types: [] is not of type 'object'"),
        ("available_node_types: {worker: }", "worker: None is not of type 'object'"),
        ("available_node_types: {worker: {priority: high}}", "worker.priority: 'high' is not"),
        ("available_node_types: {worker: {min_worker: 3}}", "'min_worker' was unexpected"),
    ],
)
def test_what_the_head_images_ray_refuses_is_refused(path: Path, line: str, key: str) -> None:
    message = refusal(path, line)

    assert message.startswith(f"{path}: 1 mistake\n  {path.name}: ")
    assert key in message


def test_the_schema_is_that_of_the_head_images_ray(
    path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, text = tmp_path_factory.mktemp("schemas"), schema_path("2.60.0").read_text()
    (folder / "2.60.0.json").write_text(text)
    (folder / "2.61.0.json").write_text(text.replace('"max_workers"', '"max_worker"'))
    monkeypatch.setattr(ray_schema, "FOLDER", folder)

    assert "'max_worker' was unexpected" in refusal(path, "max_worker: 5")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: 1\nupscaling_speed: schnell \xfc".encode("latin-1"), "is not UTF-8: byte 31"),
        ("max_workers: [1", "is not YAML: line 1, column 16: "),
        ("a: b: c", "is not YAML: line 1, column 5: mapping values are not allowed here"),
        (b"a: \x00", "is not YAML: special characters are not allowed"),
        ("a: 2026-13-01", "cannot be read: month must be in 1..12"),
        ("[" * 5000, "cannot be read: nested too deeply"),
        ("- a list", "holds a list, not keys and values"),
        ("just words", "holds a str, not keys and values"),
        ("a: {b: [1, 2026-11-22]}", "dev.autoscaler.yaml: a.b.1: a date in YAML"),
        ("a: 2026-11-22T10:00:00Z", "dev.autoscaler.yaml: a: a datetime in YAML"),
        ("a: !!binary aGVsbG8=", "dev.autoscaler.yaml: a: a bytes in YAML"),
        ("a: !!set {b}", "dev.autoscaler.yaml: a: a set in YAML"),
        ("a: .inf", "dev.autoscaler.yaml: a: inf is no number that Ray accepts"),
        ("a: &x [*x]", "dev.autoscaler.yaml: a.0: contains itself"),
        ("a: {1: b}", "dev.autoscaler.yaml: a: the key 1 is a int: put it in quotes"),
        ("on: b", "(the whole file): the key True is a bool: put it in quotes"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused_with_its_place(
    path: Path, content: str | bytes, words: str
) -> None:
    message = refusal(path, content)

    assert words in message
    assert str(path) in message


def test_a_yaml_error_is_one_line(path: Path) -> None:
    assert "\n" not in refusal(path, "a: b: c\nd: [")


def test_all_values_that_are_not_json_are_named_at_once(path: Path) -> None:
    message = refusal(path, "a: 2026-11-22\nb: .nan\n3: c\n")

    assert message.startswith(f"{path}: 3 mistakes")


def test_a_missing_file_and_a_folder_are_refused(path: Path) -> None:
    with pytest.raises(Refused, match="no such file"):
        read_override(path)
    path.mkdir()
    with pytest.raises(Refused, match="Is a directory"):
        read_override(path)


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("docker: {image: rayproject/ray}", "docker: Ray runs without containers"),
        ("setup_commands: [pip install x]", "setup_commands: bake it into the image"),
        ("head_setup_commands: []", "head_setup_commands: bake it into the image"),
        ("worker_setup_commands: []", "worker_setup_commands: bake it into the image"),
        ("initialization_commands: []", "initialization_commands: bake it into the image"),
        ("file_mounts: {/a: /b}", "file_mounts: bake files into the image"),
        ("cluster_synced_files: []", "cluster_synced_files: bake files into the image"),
        ("rsync_exclude: []", "rsync_exclude: bake files into the image"),
        ("auth: {ssh_user: ubuntu}", "auth: nodes are reached by Session Manager"),
        ("head_start_ray_commands: []", "systemd starts Ray: systemd/ray-head.service"),
        ("worker_start_ray_commands: []", "systemd starts Ray: systemd/ray-worker.service"),
        ("cluster_name: prod", "cluster_name: Raykiln sets it"),
        ("provider: {type: gcp}", "provider: Raykiln sets it"),
        ("head_node_type: boss", "head_node_type: Raykiln sets it"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused_with_what_to_use(
    path: Path, line: str, instead: str
) -> None:
    message = refusal(path, line)

    assert message.startswith(f"{path}: 1 mistake\n")
    assert instead in message


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("resources", {"CPU": 2, "node_type_gpu": 1}, "use resources under [workers] in the"),
        ("labels", {"team": "search"}, "use labels under [workers] in the environment's file"),
        ("node_config", {"InstanceType": "m6i.xlarge"}, "launched by the settings under [workers]"),
        ("min_workers", 2, "use min under [workers]"),
        ("max_workers", 2, "use max under [workers]"),
        ("docker", {}, "Ray runs without containers"),
        ("worker_setup_commands", [], "bake it into the image"),
    ],
)
def test_of_the_workers_type_only_what_takes_effect_is_allowed(
    path: Path, key: str, value: object, instead: str
) -> None:
    message = refusal(path, yaml.safe_dump({"available_node_types": {"worker": {key: value}}}))

    assert message.startswith(f"{path}: 1 mistake\n  {path.name}: ")
    assert f"available_node_types.worker.{key}: " in message
    assert instead in message


@pytest.mark.parametrize(
    "node_config",
    [
        {"LaunchTemplate": TEMPLATE | {"Version": "1"}},
        {"LaunchTemplate": TEMPLATE | {"Version": "$Default"}},
        {"LaunchTemplate": TEMPLATE | {"Version": "$Latest"}},
        {"LaunchTemplate": TEMPLATE | {"Version": "99"}},
        {"ImageId": "ami-0123456789abcdef0"},
        {"LaunchTemplate": TEMPLATE | {"Version": "1"}, "InstanceType": "m6g.large"},
    ],
)
def test_a_node_type_of_a_persons_own_is_refused(path: Path, node_config: Any) -> None:
    own = TYPE | {"node_config": node_config}

    message = refusal(path, yaml.safe_dump({"available_node_types": {"gpu": own}}))

    assert message == (
        f"{path}: 1 mistake\n  {path.name}: available_node_types.gpu: node types are made from the "
        "groups of the environment's file, which has no gpu: write [workers.gpu] there, with its "
        "instance_types, min and max"
    )


TWO = {
    "cpu": {"instance_types": ["m6i.large"], "min": 1, "max": 3},
    "gpu": {"instance_types": ["g6.xlarge", "g5.xlarge"], "min": 0, "max": 8},
}


def test_each_group_is_a_node_type_whose_settings_take_effect(path: Path) -> None:
    content = {"available_node_types": {"cpu": {"priority": 1}, "gpu": {"idle_timeout_s": 30}}}

    release = release_with(path, yaml.safe_dump(content), workers=TWO)

    assert yaml.safe_load(release.settings.autoscaler_override) == content


def test_mistakes_of_each_group_name_its_table_in_the_environments_file(path: Path) -> None:
    content = {"cpu": {"min_workers": 2}, "gpu": {"resources": {"big_disk": 1}}, "worker": TYPE}

    message = refusal(path, yaml.safe_dump({"available_node_types": content}), workers=TWO)

    start = f"  {path.name}: available_node_types"
    assert message.splitlines() == [
        f"{path}: 3 mistakes",
        f"{start}.cpu.min_workers: use min under [workers.cpu] in the environment's file",
        f"{start}.gpu.resources: use resources under [workers.gpu] in the environment's file, so "
        "that nodes have them too",
        f"{start}.worker: node types are made from the groups of the environment's file, which has "
        "no worker: write [workers] there, with its instance_types, min and max",
    ]


def test_of_a_releases_override_only_the_types_that_are_no_group_are_its_own() -> None:
    drained = TYPE | {"min_workers": 0, "max_workers": 0}
    types = {"gpu": {"priority": 1}, "old": TYPE, "older": drained}
    override = json.dumps({"available_node_types": types})
    settings = the_settings(an_environment(workers=TWO), override)

    assert node_types(settings) == {"old", "older"}
    assert launching_types(settings) == {"old"}


def test_the_heads_type_is_refused(path: Path) -> None:
    message = refusal(path, "available_node_types: {head: {max_workers: 0}}")

    assert "available_node_types.head: Raykiln sets it" in message


def test_a_node_type_that_launches_nothing_may_stay_until_its_workers_are_gone(path: Path) -> None:
    drained = {"gpu": TYPE | {"min_workers": 0, "max_workers": 0}}

    release = release_with(path, yaml.safe_dump({"available_node_types": drained}))

    assert '"gpu"' in release.settings.autoscaler_override


def test_all_mistakes_of_every_kind_are_named_at_once(path: Path) -> None:
    message = refusal(
        path,
        "docker: 5\nmax_worker: 5\nupscaling_speed: fast\n"
        "available_node_types: {worker: {resources: {CPU: two}, priority: high}, gpu: 1}\n",
    )

    assert message.startswith(f"{path}: 6 mistakes")
    for key in ("docker", "max_worker", "upscaling_speed", "resources", "priority", "gpu"):
        assert key in message


def test_what_takes_effect_is_accepted(path: Path) -> None:
    content = {
        "max_workers": 2,
        "idle_timeout_minutes": 0.5,
        "upscaling_speed": 2,
        "available_node_types": {"worker": {"idle_timeout_s": 30, "priority": 1}},
    }

    release = release_with(path, yaml.safe_dump(content))

    assert yaml.safe_load(release.settings.autoscaler_override) == content
    assert release_with(path, "# nothing yet\n").settings.autoscaler_override == "{}"


def test_every_key_of_rays_schema_is_either_refused_or_takes_effect() -> None:
    schema = rays_properties()
    kinds = schema["available_node_types"]["patternProperties"][".*"]["properties"]

    assert schema.keys() - REFUSED.keys() == {
        "available_node_types",
        "idle_timeout_minutes",
        "max_workers",
        "upscaling_speed",
    }
    assert kinds.keys() - REFUSED_OF_GROUP.keys() == {"idle_timeout_s", "priority"}


def rays_properties() -> dict[str, Any]:
    """Return the properties in Ray's schema."""
    found: dict[str, Any] = yaml.safe_load(schema_path("2.60.0").read_text().replace("\t", " "))
    return dict(found["properties"])
