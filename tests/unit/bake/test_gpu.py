"""Where there is an NVIDIA GPU its driver must answer; elsewhere the check is skipped."""

import importlib.util
from types import ModuleType
from typing import Any

import pytest

from bake.files import PROVISIONERS
from common.checkout import REPOSITORY


def provisioner(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / PROVISIONERS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


T4 = "Tesla T4, 550.54.15"


@pytest.mark.parametrize(
    ("gpus", "tool", "answer", "failed", "words"),
    [
        (1, True, [T4], "", f"passed: {T4}"),
        (2, True, [T4, T4], "", f"passed: {T4}; {T4}"),
        (2, True, [T4], f"2 NVIDIA GPUs, but nvidia-smi says: {T4}", None),
        (1, True, [], "1 NVIDIA GPUs, but nvidia-smi says: nothing", None),
        (1, False, [], "1 NVIDIA GPUs, but no nvidia-smi: the image has no driver", None),
        (0, True, [], "", "skipped: the build instance has no NVIDIA GPU"),
        (0, False, [], "", ""),
    ],
)
def test_the_verdict_follows_from_the_facts(
    gpus: int, tool: bool, answer: list[str], failed: str, words: str | None
) -> None:
    found = provisioner("gpu").verdict({"gpus": gpus, "tool": tool, "answer": answer})

    assert found == {"failed": failed, "words": f"failed: {failed}" if words is None else words}


DEVICES = {
    "0000:00:03.0": ("0x8086", "0x030000"),  # a display controller of Intel's
    "0000:00:1d.0": ("0x10de", "0x040300"),  # NVIDIA's, but for sound
    "0000:00:1e.0": ("0x10de", "0x030200"),  # a GPU
}


@pytest.mark.parametrize(
    ("code", "answer"),
    [(0, [T4]), (9, ["NVIDIA-SMI has failed because it couldn't communicate with the driver"])],
)
def test_gpus_are_found_on_the_pci_bus_and_their_driver_is_asked(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, code: int, answer: list[str]
) -> None:
    facts = provisioner("facts")
    for name, (vendor, kind) in DEVICES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f'#!/bin/sh\necho "{answer[0]}"\nexit {code}\n')
    tool.chmod(0o755)
    monkeypatch.setattr(facts, "PCI", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert facts.nvidia() == {
        "gpus": 1,
        "tool": True,
        "answer": answer if code == 0 else [],
    }
