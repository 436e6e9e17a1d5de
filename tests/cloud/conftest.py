"""A real local cloud for the tests of this folder.

One cloud serves them all: it has its own home, apart from any cloud that is up already, and shares
the cache. Neither has a name that configurations and mount options take as it is. Without root
there are no machines, and the tests skip with that reason.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.paths import paths
from tests.cloud.harness import Cloud, require_machines, running_cloud

# A person's own tests of an image, which a bake runs.
collect_ignore = ["apps"]
# These take longest, so they start first: of two clouds, none is left to run one of them alone.
LONGEST = ("test_end_to_end.py", "test_documents.py", "test_bake.py", "test_workflows.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; all else stays in its order."""
    order = {Path(__file__).with_name(name): n for n, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A local cloud that is up."""
    require_machines()
    folder = tmp_path_factory.mktemp("cloud")
    cache = paths().cache
    cache.mkdir(parents=True, exist_ok=True)
    odd = folder / "a cache, of 'ours' #1"
    odd.symlink_to(cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYKILN_CACHE", str(odd))
        with running_cloud(folder / "a home, of 'ours' #1") as here:
            yield here


@pytest.fixture(scope="session")
def machine(cloud: Cloud) -> Iterator[dict[str, Any]]:
    """One booted instance for the tests that change nothing: tokens required, tags shown."""
    instance = cloud.launch(
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        UserData="#cloud-config\nwrite_files:\n  - {path: /etc/told, content: hello}\n",
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "raykiln:role", "Value": "head"}]}
        ],
    )
    yield cloud.booted(instance)
    cloud.terminate(instance["InstanceId"])
