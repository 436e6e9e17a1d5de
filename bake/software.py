"""What a build instance says of its software, as a bake needs it at once. No AWS."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """Of a build's software.json: the version of Ray's Python, and what the GPU's driver said."""

    python: str
    gpu: str

    @classmethod
    def parse(cls, text: str) -> "Report":
        """Parse the file's content."""
        found = json.loads(text)
        return cls(found["python_version"], found["gpu"]["words"])
