"""What the types of a group must have in common, and what its nodes offer Ray."""

from typing import Any

import pytest

from common.environment import Environment
from common.errors import Refused
from common.instance_types import TypeFacts
from deploy.release.groups import groups_of, type_names
from tests.unit.deploy.builders import an_environment, an_image

INTEL = ("x86_64",)
IMAGES = {"": an_image("ami-worker")}
FACTS = {
    facts.name: facts
    for facts in (
        TypeFacts("m6i.large", 2, 0, INTEL),
        TypeFacts("m6a.large", 2, 0, INTEL),
        TypeFacts("m6i.xlarge", 4, 0, INTEL),
        TypeFacts("g5.xlarge", 4, 1, INTEL, "A10G"),
        TypeFacts("g6.xlarge", 4, 1, INTEL, "L4"),
        TypeFacts("gr6.xlarge", 4, 1, INTEL, "L4"),
        TypeFacts("m6g.large", 2, 0, ("arm64",)),
    )
}


def with_types(*names: str, **changes: Any) -> Environment:
    return an_environment(workers={"cpu": {"instance_types": names, "min": 1, "max": 3}}, **changes)


def refusal(environment: Environment) -> str:
    with pytest.raises(Refused) as refused:
        groups_of(environment, FACTS, IMAGES)
    return refused.value.message


def test_a_group_offers_the_vcpus_and_gpus_of_its_types() -> None:
    (cpu,) = groups_of(with_types("m6i.large", "m6a.large"), FACTS, IMAGES)
    (gpu,) = groups_of(with_types("g5.xlarge"), FACTS, IMAGES)

    assert (cpu.name, cpu.cpus, cpu.gpus) == ("cpu", 2, 0)
    assert (gpu.cpus, gpu.gpus) == (4, 1)


def test_a_group_offers_the_accelerator_that_all_of_its_types_have() -> None:
    resources = {"big_disk": 1}
    workers = {"instance_types": ["g6.xlarge", "gr6.xlarge"], "min": 0, "max": 3}
    environment = an_environment(workers={"gpu": workers | {"resources": resources}})

    (gpu,) = groups_of(environment, FACTS, IMAGES)

    assert dict(gpu.resources) == {"accelerator_type:L4": 1, "big_disk": 1}


def test_of_two_accelerators_a_group_promises_none() -> None:
    (gpu,) = groups_of(with_types("g6.xlarge", "g5.xlarge"), FACTS, IMAGES)

    assert (gpu.gpus, gpu.resources) == (1, ())


@pytest.mark.parametrize(
    ("types", "words"),
    [
        (("m6i.large", "m6i.xlarge"), "m6i.large has 2 and 0, m6i.xlarge has 4 and 0"),
        (("m6i.xlarge", "g5.xlarge"), "m6i.xlarge has 4 and 0, g5.xlarge has 4 and 1"),
    ],
)
def test_types_that_differ_in_vcpus_or_gpus_are_refused(types: tuple[str, ...], words: str) -> None:
    assert words in refusal(with_types(*types))


def test_a_type_of_another_architecture_than_the_image_is_refused() -> None:
    environment = with_types("m6g.large", head={"instance_type": "m6g.large"})

    words = refusal(environment)

    assert "head.instance_type: m6g.large is arm64, the image x86_64" in words
    assert "workers.cpu.instance_types: m6g.large is arm64, the image x86_64" in words


def test_the_types_of_head_and_workers_are_looked_up() -> None:
    assert type_names(with_types("m6a.large")) == {"m6i.large", "m6a.large"}
