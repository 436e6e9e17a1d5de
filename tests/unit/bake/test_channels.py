"""Channels: set as a whole, read back, and back to what they named before."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bake import channels
from bake.bake import bake
from bake.catalog import Image, images
from bake.channels import (
    Entry,
    channel_histories,
    entry_before,
    last_change,
    read_channel,
    set_channel,
    unfinished,
)
from bake.context import BakeContext
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import Refused
from tests.unit.answers import Answers
from tests.unit.bake.conftest import register
from tests.unit.deploy.builders import an_environment

HEAD, WORKER, GPU = WantedImage("head"), WantedImage("worker"), WantedImage("worker", "gpu")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def an_image(ami_id: str) -> Image:
    return Image(ami_id, "head", "d" * 64, "2.60.0", "abc", "2026", "2026", "x86_64")


def named(**ids: str) -> dict[WantedImage, Image]:
    places = {"head": HEAD, "worker": WORKER, "gpu": GPU}
    return {places[name]: an_image(ami_id) for name, ami_id in ids.items()}


def ids_in(clients: Clients, environment: str = "dev") -> dict[WantedImage, str]:
    channel = read_channel(clients, environment, (HEAD, WORKER, GPU))
    return {image: entry.ami_id for image, entry in channel.items()}


def test_a_channel_that_was_never_set_is_empty(clients: Clients) -> None:
    assert read_channel(clients, "dev", (HEAD, WORKER)) == {}


def test_each_image_has_a_parameter_of_its_name(clients: Clients) -> None:
    set_channel(clients, "dev", named(head="ami-1", gpu="ami-2"), NOW, "staging")

    assert ids_in(clients) == {HEAD: "ami-1", GPU: "ami-2"}
    listed = clients("ssm").get_parameters_by_path(Path="/raykiln/images/dev")["Parameters"]
    assert sorted(one["Name"] for one in listed) == [
        "/raykiln/images/dev/head",
        "/raykiln/images/dev/worker-gpu",
    ]
    entry = read_channel(clients, "dev", (HEAD,))[HEAD]
    assert entry.words == "promoted from staging, in the channel since 2026-11-22T12:00:00Z"
    assert entry.together == {"head": "ami-1", "worker-gpu": "ami-2"}
    assert ids_in(clients, "prod") == {}


def test_more_images_than_one_request_names_are_read(clients: Clients) -> None:
    wanted = [WantedImage("worker", f"i{number}") for number in range(12)]
    set_channel(clients, "dev", {image: an_image(f"ami-{image.name}") for image in wanted}, NOW)

    assert len(read_channel(clients, "dev", wanted)) == 12


def test_what_it_names_already_is_not_written_again(clients: Clients) -> None:
    set_channel(clients, "dev", named(head="ami-1", worker="ami-2"), NOW)

    assert set_channel(clients, "dev", named(head="ami-3", worker="ami-2"), LATER) == (HEAD,)

    channel = read_channel(clients, "dev", (HEAD, WORKER))
    assert [entry.version for entry in channel.values()] == [2, 1]


def test_of_one_that_was_set_in_part_it_is_known_what_is_left(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_channel(clients, "dev", named(head="ami-1", worker="ami-2"), NOW)
    put = channels._put

    def die_at_the_worker(clients: Clients, name: str, value: str) -> None:
        if name.endswith("worker"):
            raise KeyboardInterrupt
        put(clients, name, value)

    monkeypatch.setattr(channels, "_put", die_at_the_worker)
    with pytest.raises(KeyboardInterrupt):
        set_channel(clients, "dev", named(head="ami-3", worker="ami-4"), LATER)
    monkeypatch.undo()

    channel = read_channel(clients, "dev", (HEAD, WORKER))
    assert list(unfinished(channel)) == ["head is ami-3, which came with worker ami-4"]
    set_channel(clients, "dev", named(head="ami-3", worker="ami-4"), LATER)
    assert list(unfinished(read_channel(clients, "dev", (HEAD, WORKER)))) == []


def test_one_image_that_is_set_alone_leaves_nothing_unfinished(clients: Clients) -> None:
    set_channel(clients, "dev", named(head="ami-1", worker="ami-2"), NOW)
    set_channel(clients, "dev", named(worker="ami-3"), LATER)

    assert list(unfinished(read_channel(clients, "dev", (HEAD, WORKER)))) == []


def test_only_what_was_set_last_goes_back(clients: Clients) -> None:
    set_channel(clients, "dev", named(head="ami-0", worker="ami-1"), NOW - timedelta(hours=1))
    set_channel(clients, "dev", named(head="ami-0", worker="ami-2"), NOW)
    set_channel(clients, "dev", named(head="ami-3", worker="ami-2"), LATER)

    channel = read_channel(clients, "dev", (HEAD, WORKER))

    assert last_change(channel) == (HEAD,)
    before = entry_before(clients, "dev", HEAD)
    assert before is not None
    assert (before.ami_id, before.since) == ("ami-0", "2026-11-22T11:00:00Z")


def test_before_the_first_image_there_is_none(clients: Clients) -> None:
    set_channel(clients, "dev", named(head="ami-0"), NOW)

    assert entry_before(clients, "dev", HEAD) is None


@pytest.mark.parametrize("value", ["ami-1", "{}", '{"ami_id": "ami-1", "together": []}', "[]"])
def test_a_parameter_that_someone_wrote_by_hand_is_refused_by_its_name(
    clients: Clients, value: str
) -> None:
    clients("ssm").put_parameter(Name="/raykiln/images/dev/head", Value=value, Type="String")

    with pytest.raises(Refused, match="/raykiln/images/dev/head names no image"):
        read_channel(clients, "dev", (HEAD,))


def bake_of(clients: Clients, tmp_path: Any, **tables: Any) -> Mapping[WantedImage, Image]:
    environment = an_environment(image={"base_id": "ami-1"}, **tables)
    return bake(BakeContext(clients, environment, tmp_path, tmp_path)).images


def test_a_bake_puts_what_is_verified_into_its_own_channel(
    clients: Clients, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, worker = register(clients, "head"), register(clients, "worker")
    digests = {image.role: image.digest for image in images(clients)}
    monkeypatch.setattr("bake.plan.image_digest", lambda image, inputs: digests[image.role])

    bake_of(clients, tmp_path)

    assert ids_in(clients) == {HEAD: head, WORKER: worker}


def test_an_environment_whose_images_are_promoted_bakes_none(
    clients: Clients, tmp_path: Any
) -> None:
    with pytest.raises(Refused, match=r"dev bakes no images: they are promoted from staging"):
        bake_of(clients, tmp_path, promotion={"source": "staging"})


CONTENT = (
    '{"ami_id": "ami-1", "digest": "' + "d" * 64 + '", "source": "staging", '
    '"since": "2026-11-22T12:00:00Z", "together": {"head": "ami-1", "worker-gpu": "ami-2"}}'
)


def test_an_image_is_written_in_full_with_those_that_came_with_it() -> None:
    aws: Any = Answers(get_parameters={"Parameters": []}, put_parameter={})

    changed = set_channel(aws, "dev", named(gpu="ami-2", head="ami-1"), NOW, "staging")

    assert changed == (GPU, HEAD)
    assert aws.requests[0] == (
        "ssm:get_parameters",
        {"Names": ["/raykiln/images/dev/worker-gpu", "/raykiln/images/dev/head"]},
    )
    assert aws.requests[2] == (
        "ssm:put_parameter",
        {
            "Name": "/raykiln/images/dev/head",
            "Description": "An image to deploy; set by Raykiln's bake or images.promote",
            "Value": CONTENT,
            "Type": "String",
            "Overwrite": True,
        },
    )
    assert len(aws.requests) == 3


def test_what_is_written_is_read_back_in_full() -> None:
    parameter = {"Name": "/raykiln/images/dev/head", "Value": CONTENT, "Version": 7}
    aws: Any = Answers(get_parameters={"Parameters": [parameter]})

    assert read_channel(aws, "dev", (HEAD, WORKER)) == {
        HEAD: Entry(
            ami_id="ami-1",
            digest="d" * 64,
            source="staging",
            since="2026-11-22T12:00:00Z",
            together={"head": "ami-1", "worker-gpu": "ami-2"},
            version=7,
        )
    }


def test_ten_parameters_are_asked_for_at_once() -> None:
    wanted = [WantedImage("worker", f"i{number}") for number in range(21)]
    aws: Any = Answers(get_parameters={"Parameters": []})

    read_channel(aws, "dev", wanted)

    assert [len(request["Names"]) for _, request in aws.requests] == [10, 10, 1]


def test_a_parameter_that_names_no_image_says_how_to_go_on() -> None:
    parameter = {"Name": "/raykiln/images/dev/head", "Value": "{}", "Version": 1}
    aws: Any = Answers(get_parameters={"Parameters": [parameter]})

    with pytest.raises(Refused) as refused:
        read_channel(aws, "dev", (HEAD,))

    assert refused.value.message == "the parameter /raykiln/images/dev/head names no image"
    assert refused.value.hint == (
        "restore an earlier version of it, or delete it; then bake or promote again"
    )


def test_the_versions_of_every_channel_are_listed_newest_first(clients: Clients) -> None:
    set_channel(clients, "dev", named(head="ami-1"), NOW)
    set_channel(clients, "dev", named(head="ami-2"), LATER)
    set_channel(clients, "prod", named(worker="ami-3"), NOW, "dev")

    found = channel_histories(clients)

    assert {name: [one.ami_id for one in entries] for name, entries in found.items()} == {
        "/raykiln/images/dev/head": ["ami-2", "ami-1"],
        "/raykiln/images/prod/worker": ["ami-3"],
    }
    assert found["/raykiln/images/dev/head"][0].words == (
        "baked, in the channel since 2026-11-22T13:00:00Z"
    )


def test_an_empty_channel_has_no_last_change() -> None:
    assert last_change({}) == ()
