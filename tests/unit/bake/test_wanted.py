"""Which images an environment wants, by role and name."""

import pytest

from bake.wanted import WantedImage, wanted_images
from common.errors import Refused
from tests.unit.deploy.builders import an_environment

GROUP = {"instance_types": ["m6i.large"], "min": 0, "max": 3}
ENVIRONMENT = an_environment(
    images={"gpu": {}, "unused": {}, "lean": {}},
    head={"instance_type": "m6i.large", "image": "lean"},
    workers={"cpu": GROUP, "gpu": {**GROUP, "image": "gpu"}, "more": {**GROUP, "image": "gpu"}},
)
HEAD, CPU, GPU = WantedImage("head", "lean"), WantedImage("worker"), WantedImage("worker", "gpu")


def test_each_image_of_a_node_is_wanted_once() -> None:
    assert wanted_images(ENVIRONMENT) == (HEAD, CPU, GPU)


@pytest.mark.parametrize(
    ("role", "name", "found"),
    [("worker", "", (CPU, GPU)), ("", "gpu", (GPU,)), ("head", "lean", (HEAD,))],
)
def test_a_role_or_a_name_chooses(role: str, name: str, found: tuple[WantedImage, ...]) -> None:
    assert wanted_images(ENVIRONMENT, role, name) == found


@pytest.mark.parametrize(("role", "name"), [("boss", ""), ("head", "gpu"), ("", "unused")])
def test_what_no_node_is_launched_from_is_refused(role: str, name: str) -> None:
    with pytest.raises(Refused):
        wanted_images(ENVIRONMENT, role, name)


def test_an_image_has_a_name_for_people_for_files_and_for_its_table() -> None:
    assert (str(GPU), GPU.slug, GPU.place) == ("worker gpu", "worker-gpu", "images.gpu")
    assert (str(CPU), CPU.slug, CPU.place) == ("worker", "worker", "image")
