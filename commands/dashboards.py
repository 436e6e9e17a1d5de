"""Task dashboards: Ray's dashboards for a Grafana of one's own."""

from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors

# Ray on a head writes the same, by the names of these functions: create_default_grafana_configs in
# ray/dashboard/modules/metrics/metrics_head.py, Ray 2.60.
WRITE = """
import sys
from pathlib import Path
from ray.dashboard.modules.metrics import grafana_dashboard_factory as factory

for name in dir(factory):
    if name.startswith("generate_") and name.endswith("_grafana_dashboard"):
        content, _ = getattr(factory, name)()
        path = Path(sys.argv[1], f"{name.removeprefix('generate_')}.json")
        path.write_text(content, encoding="utf-8")
        print(path)
"""


@task(help={"to": "the folder to write them into (default: dashboards)"})
def dashboards(c: Context, to: str = "dashboards") -> None:
    """Write Ray's dashboards as JSON, which Grafana imports or is provisioned with."""
    with plain_errors():
        write(Path(to).absolute())


def write(folder: Path) -> None:
    """Write them with the Ray of the images' version, and print each file."""
    import subprocess

    from commands.ray_runtime import ray_command
    from common.checkout import cache
    from common.errors import PipelineError, Refused

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            f"{folder} is no folder: {error.strerror}", hint="give another, --to"
        ) from error
    python = ray_command(cache()).with_name("python")
    done = subprocess.run(
        [python, "-c", WRITE, folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise PipelineError(f"Ray could not write its dashboards into {folder}: {last}")
    print(done.stdout, end="")
