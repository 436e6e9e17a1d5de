"""Every drill, one after the other, on one cluster with a standby and two groups of workers."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from drills.kit.registry import drills
from tests.cloud.cluster_facts import STORED
from tests.cloud.invocation import Invoke, invoking
from tests.marks import THOROUGH_ONLY

pytestmark = THOROUGH_ONLY

NEEDS_STORED_STATE = "stored_state"
NAMES = [drill.name for drill in drills() if drill.name != NEEDS_STORED_STATE]


class Site(NamedTuple):
    """What invokes commands on the cluster, and where its environment is written."""

    invoke: Invoke
    folder: Path

    def deploy(self, **head: object) -> None:
        """Deploy the cluster, with more settings of its head."""
        run = self.invoke.run
        (only,) = run.environment().workers.values()
        group = {"instance_types": only.instance_types, "image": run.name, "min": 1, "max": 3}
        run.write(
            self.folder,
            head=run.content()["head"] | {"standby": 1} | head,
            workers={"first": group, "second": group | {"market": "spot"}},
        )
        self.invoke("deploy", "--yes")

    def drill(self, name: str) -> str:
        """Run a drill once; return what it prints."""
        return self.invoke("drill", name, "--yes").stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Bake, and deploy the cluster."""
    folder = tmp_path_factory.mktemp("drills")
    with invoking(folder) as invoke:
        invoke("bake")
        found = Site(invoke, folder / "environment")
        found.deploy()
        yield found


@pytest.mark.parametrize("name", NAMES)
def test_the_cluster_survives(site: Site, name: str) -> None:
    assert f"✓ {name} 1 of 1" in site.drill(name)


def test_with_stored_state_so_does_an_actor(site: Site) -> None:
    site.deploy(**STORED)

    assert f"✓ {NEEDS_STORED_STATE} 1 of 1" in site.drill(NEEDS_STORED_STATE)
