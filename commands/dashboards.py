"""Task dashboards: Ray's dashboards for a Grafana of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors

# Ray on a head makes the same, by the names of these functions: create_default_grafana_configs in
# ray/dashboard/modules/metrics/metrics_head.py, Ray 2.60.
MAKE = """
import json
from ray.dashboard.modules.metrics import grafana_dashboard_factory as factory

made = {}
for name in dir(factory):
    if name.startswith("generate_") and name.endswith("_grafana_dashboard"):
        content, _ = getattr(factory, name)()
        made[f"{name.removeprefix('generate_')}.json"] = content
print(json.dumps(made))
"""


HINT = "give another, --to"


@task(help={"to": "the folder to write them into (default: dashboards)"})
def dashboards(c: Context, to: str = "dashboards") -> None:
    """Write Ray's dashboards as JSON, which Grafana imports or is provisioned with."""
    with plain_errors():
        write(Path(to).absolute())


def write(folder: Path) -> None:
    """Write them with the Ray of the images' version, and print each file."""
    from commands.ray_runtime import ray_command
    from common.checkout import cache
    from common.whole_file import write_files

    made = made_by(ray_command(cache()).with_name("python"))
    files = {folder / name: content for name, content in made.items()}
    with folder_for(folder):
        write_files(files, hint=HINT)
    for file in files:
        print(file)


def made_by(python: Path) -> dict[str, str]:
    """Return the dashboards by the names of their files; raises PipelineError."""
    import json
    import subprocess

    from common.errors import PipelineError

    done = subprocess.run([python, "-c", MAKE], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise PipelineError(f"Ray could not make its dashboards: {last}")
    found: dict[str, str] = json.loads(done.stdout)
    return found


@contextmanager
def folder_for(folder: Path) -> Iterator[None]:
    """Make a folder, which stays unless what it is for fails; raises Refused."""
    from common.errors import Refused

    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{folder} is no folder: {error.strerror}", hint=HINT) from error
    try:
        yield
    except BaseException:
        if is_new:
            folder.rmdir()
        raise
