"""The document pipeline's stack, in a world of its own."""

from collections.abc import Iterator

import pytest

from localcloud.world import World
from tests.unit.deploy.documents.pipeline import IMAGE, Pipeline
from tests.unit.documents.conftest import aws  # noqa: F401 - a fixture
from tests.unit.localcloud.conftest import a_world, clock, driver, world  # noqa: F401 - fixtures
from tests.unit.localcloud.fakes import FakeClock, FakeDriver


@pytest.fixture
def pipeline(world: World, clock: FakeClock) -> Pipeline:  # noqa: F811
    """Nothing yet."""
    return Pipeline(clock)


@pytest.fixture(scope="module")
def made() -> Iterator[Pipeline]:
    """A stack with its tasks, which the tests of a module only look at."""
    clock = FakeClock()  # noqa: F811
    with a_world(clock, FakeDriver(clock)):
        pipeline = Pipeline(clock)
        pipeline.apply()
        pipeline.apply(image=IMAGE)
        yield pipeline
