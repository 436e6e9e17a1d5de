"""What a bake needs to know of an image's software at once."""

import json

from bake.software import Report


def test_a_report_has_the_version_of_python_and_what_the_gpu_said() -> None:
    content = {
        "image": {"digest": "0a"},
        "debian": {"bash": "5.2"},
        "python": {"ray": "2.60.0"},
        "python_version": "3.11.2",
        "gpu": {"failed": "", "words": "skipped: no GPU"},
    }

    report = Report.parse(json.dumps(content))

    assert (report.python, report.gpu) == ("3.11.2", "skipped: no GPU")
