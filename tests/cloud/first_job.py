"""The scripts of docs/first-job.md, in a folder as the page says."""

import re
import zipfile
from pathlib import Path

from tests.cloud.cluster_facts import ROOT

PAGE = ROOT / "docs/first-job.md"
SCRIPTS = ("hello.py", "greet_all.py", "gpu.py")  # in the order of the page
WHEEL = "greet-1.0-py3-none-any.whl"
INFO = {
    "METADATA": "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}


def write_scripts(folder: Path) -> Path:
    """Write the scripts into ``my-folder``, with a wheel, and the page's YAML beside it."""
    page = PAGE.read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    own = folder / "my-folder"
    own.mkdir()
    for name, block in zip(SCRIPTS, blocks, strict=True):
        (own / name).write_text(block)
    with zipfile.ZipFile(own / WHEEL, "w") as wheel:
        wheel.writestr("greet.py", 'def words(name):\n    return f"hello, {name}"\n')
        for name, text in INFO.items():
            wheel.writestr(f"greet-1.0.dist-info/{name}", text)
    (yaml,) = (line for line in page.splitlines() if WHEEL in line and line.startswith("pip:"))
    (folder / "env.yaml").write_text(f"{yaml}\n")
    return own
