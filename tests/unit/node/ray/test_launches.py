"""The file of what could not be launched."""

from pathlib import Path

from node.ray.launches import Failure, Launches, RefusedLaunch


def test_a_refusal_is_read_with_its_age_until_the_group_is_launched(tmp_path: Path) -> None:
    launches = Launches(tmp_path / "launches.json")
    launches.failed(Failure("gpu", "g5.xlarge", "spot", "Unsupported", "not here"), at=100.0)
    launches.failed(
        Failure("gpu", "g6.xlarge", "spot", "Unsupported", "nor here", "g5.xlarge"), 104.0
    )

    assert launches.refused(110.5) == {
        "gpu": RefusedLaunch("g6.xlarge", "spot", "Unsupported", "nor here", 6.5, next="g5.xlarge")
    }

    launches.succeeded("gpu")
    assert launches.refused(111.0) == {}


def test_without_a_file_nothing_was_refused(tmp_path: Path) -> None:
    assert Launches(tmp_path / "launches.json").refused(1.0) == {}
