"""What Ray's command line is imported without; tests/image/test_ray.py has the real one."""

import json
import sys

import pytest

from node.ray import launcher


def test_modules_cannot_be_imported_while_they_are_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "wave", raising=False)

    with launcher.unavailable(["wave", "json"]):
        with pytest.raises(ModuleNotFoundError):
            import wave
        assert json is sys.modules["json"], "what is imported already stays"

    import wave

    assert wave is sys.modules["wave"]
