"""What runc is told, which user a container has, what its endpoint answers. No root."""

from pathlib import Path
from typing import Any

import pytest

from localcloud.containers.endpoint import Endpoint
from localcloud.containers.health import inside
from localcloud.containers.oci import (
    Surroundings,
    User,
    Wrong,
    command_of,
    configuration,
    find_user,
)
from localcloud.patches.ecs.runtime import ContainerPlan, registry_of
from localcloud.world import World
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.ecs import IMAGE, Ecs
from tests.unit.localcloud.fakes import FakeClock

PASSWD = "root:x:0:0:root:/root:/bin/sh\nray:x:1000:1000::/home/ray:/bin/sh\n"
GROUPS = "root:x:0:\nray:x:1000:\nvideo:x:44:ray\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a container with the users root and ray."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUPS)
    return tmp_path


def a_plan(**more: Any) -> ContainerPlan:
    return ContainerPlan("ray", IMAGE, True, {"KEY": "sk-1"}, **more)


def around(root: Path) -> Surroundings:
    files = {"/etc/hosts": Path("/home/hosts")}
    space = Path("/run/netns/rk-1-task")
    volumes = {"data": Path("/v")}
    return Surroundings(root, space, "/rk-1/task", 0.5, 2048, "ip-10-77-0-5", files, volumes)


@pytest.mark.parametrize(
    ("spec", "user"),
    [
        ("", User(0, 0, "/root")),
        ("ray", User(1000, 1000, "/home/ray", (44,))),
        ("1000", User(1000, 1000, "/home/ray", (44,))),
        ("ray:video", User(1000, 44, "/home/ray", (44,))),
        ("4711", User(4711, 0, "/")),
        ("4711:12", User(4711, 12, "/")),
    ],
)
def test_a_user_is_one_of_the_image_or_a_number(root: Path, spec: str, user: User) -> None:
    assert find_user(root, spec) == user


@pytest.mark.parametrize("spec", ["someone-else", "ray:nothing"])
def test_an_unknown_user_is_an_error(root: Path, spec: str) -> None:
    with pytest.raises(Wrong, match="unable to find"):
        find_user(root, spec)


@pytest.mark.parametrize(
    ("entry", "command", "runs"),
    [
        (None, None, ["tini", "--", "serve"]),
        (None, ("work",), ["tini", "--", "work"]),
        (("sh", "-c"), ("work",), ["sh", "-c", "work"]),
        (("sh",), None, ["sh"]),
    ],
)
def test_an_entry_point_leaves_the_images_command_aside(
    entry: tuple[str, ...] | None, command: tuple[str, ...] | None, runs: list[str]
) -> None:
    image = {"Entrypoint": ["tini", "--"], "Cmd": ["serve"]}

    assert command_of(a_plan(entry_point=entry, command=command), image) == runs


def test_without_any_command_nothing_starts() -> None:
    with pytest.raises(Wrong, match="no command"):
        command_of(a_plan(), {})


def test_runc_is_told_what_the_plan_and_the_image_say(root: Path) -> None:
    plan = a_plan(memory_mib=512, read_only=True, mounts=(("data", "/data", True),))
    image = {"User": "ray", "WorkingDir": "/work", "Env": ["A=1", "KEY=old"], "Cmd": ["serve"]}

    found = configuration(plan, image, around(root))

    process, linux = found["process"], found["linux"]
    assert process["user"] == {"uid": 1000, "gid": 1000, "additionalGids": [44]}
    assert process["cwd"] == "/work"
    assert {"A=1", "KEY=sk-1", "HOME=/home/ray"} <= set(process["env"])
    assert process["capabilities"]["effective"] == []
    assert found["root"]["readonly"] is True
    assert linux["resources"]["memory"] == {"limit": 536870912}
    assert {"type": "network", "path": "/run/netns/rk-1-task"} in linux["namespaces"]
    mounts = {one["destination"]: (one["source"], one["options"]) for one in found["mounts"]}
    assert mounts["/data"] == ("/v", ["bind", "ro"])
    assert mounts["/etc/hosts"] == ("/home/hosts", ["bind", "ro"])


def test_without_limits_of_its_own_a_container_sees_those_of_its_task(root: Path) -> None:
    found = configuration(a_plan(command=("id",)), {}, around(root))["linux"]["resources"]

    assert found["memory"] == {"limit": 2147483648 + 4096}
    assert found["cpu"] == {"quota": 50000, "period": 100000}


def test_root_has_no_more_than_fargate_gives(root: Path) -> None:
    found = configuration(a_plan(command=("id",)), {}, around(root))

    powers = set(found["process"]["capabilities"]["effective"])
    assert "CAP_CHOWN" in powers
    assert not powers & {"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE"}


@pytest.mark.parametrize(
    ("command", "runs"),
    [
        (["CMD", "ray", "health-check"], ["ray", "health-check"]),
        (["CMD-SHELL", "test -e /up || exit 1"], ["/bin/sh", "-c", "test -e /up || exit 1"]),
        (["ray", "status"], ["ray", "status"]),
    ],
)
def test_a_health_check_runs_with_or_without_a_shell(command: list[str], runs: list[str]) -> None:
    assert inside(command) == runs


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("ray:v1", "ray"),
        ("ray@sha256:00", "ray"),
        ("team/ray:v1@sha256:00", "team/ray"),
        ("team/ray", "team/ray"),
    ],
)
def test_an_image_is_in_a_repository(image: str, repository: str) -> None:
    name = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{image}"

    assert registry_of(name) == f"arn:aws:ecr:us-east-1:123456789012:repository/{repository}"
    assert registry_of("images.example.com/debian:12") == ""


class TestEndpoint:
    @pytest.fixture
    def ecs(self, aws: Clients, clock: FakeClock) -> Ecs:
        return Ecs(aws, clock)

    def running(self, ecs: Ecs, family: str, *allowed: dict[str, Any]) -> tuple[str, str]:
        """Run a task with a role; return its id and its address."""
        role = ecs.role(f"role-of-{family}", *allowed)
        containers = [{"name": "ray", "image": IMAGE}]
        ecs.service(ecs.register(family, containers, taskRoleArn=role), name=family)
        ecs.settle(2)
        (task,) = ecs.listed(family)
        details = {d["name"]: d["value"] for d in task["attachments"][0]["details"]}
        return task["taskArn"].rpartition("/")[2], details["privateIPv4Address"]

    def test_a_task_gets_its_own_role_alone(self, ecs: Ecs, world: World) -> None:
        endpoint = Endpoint(world)
        one, address = self.running(ecs, "one")
        other, elsewhere = self.running(ecs, "other")

        status, keys = endpoint.get(address, f"/v2/credentials/{one}")
        assert status == 200
        assert keys["RoleArn"].endswith("role/role-of-one")
        assert endpoint.get(address, f"/v2/credentials/{one}")[1] == keys
        assert endpoint.get(address, f"/v2/credentials/{other}")[0] == 404
        assert endpoint.get(elsewhere, f"/v2/credentials/{one}")[0] == 404
        assert endpoint.get("10.77.9.9", f"/v2/credentials/{one}")[0] == 404

    def test_credentials_are_renewed_before_they_expire(self, ecs: Ecs, world: World) -> None:
        endpoint = Endpoint(world)
        task, address = self.running(ecs, "one")
        first = endpoint.get(address, f"/v2/credentials/{task}")[1]

        ecs.clock.advance(5.8 * 3600, every=600)

        second = endpoint.get(address, f"/v2/credentials/{task}")[1]
        assert second["AccessKeyId"] != first["AccessKeyId"]
        assert second["Expiration"] > first["Expiration"]

    def test_metadata_describe_the_task(self, ecs: Ecs, world: World) -> None:
        task, address = self.running(ecs, "one")

        found = Endpoint(world).get(address, f"/v4/{task}-ray/task")[1]

        assert found["TaskARN"].endswith(task)
        assert (found["Family"], found["Revision"], found["ServiceName"]) == ("one", "1", "one")
        assert found["Limits"] == {"CPU": 1.0, "Memory": 2048}
        (container,) = found["Containers"]
        assert container["Networks"][0]["IPv4Addresses"] == [address]

    def test_a_task_protects_itself_if_its_role_may(self, ecs: Ecs, world: World) -> None:
        may = {"Action": ["ecs:UpdateTaskProtection", "ecs:GetTaskProtection"], "Resource": "*"}
        endpoint, body = Endpoint(world), b'{"ProtectionEnabled": true, "ExpiresInMinutes": 5}'
        one, address = self.running(ecs, "one", may)
        other, elsewhere = self.running(ecs, "other")
        path = "/api/{}-ray/task-protection/v1/state"

        status, found = endpoint.put(address, path.format(one), body)
        assert (status, found["protection"]["ProtectionEnabled"]) == (200, True)
        assert endpoint.get(address, path.format(one))[1] == found
        refused = endpoint.put(elsewhere, path.format(other), body)
        assert (refused[0], refused[1]["error"]["Code"]) == (400, "AccessDeniedException")

        ecs.clock.advance(301)
        now = endpoint.get(address, path.format(one))[1]
        assert now["protection"]["ProtectionEnabled"] is False
