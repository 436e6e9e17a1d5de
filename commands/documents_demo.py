"""``demo --documents``: the document pipeline on the local cloud, from nothing, and gone again.

Three PDFs are made here, so that the page that a question must be answered from is known.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import PipelineError

QUESTION = "How many days before the end must the contract be cancelled?"
ANSWER, DOCUMENT, PAGE = "forty-five days", "contract.pdf", 2
PAGES = {
    DOCUMENT: (
        "Lease of a warehouse\n\nThe parties are Silver Heron Storage and the tenant, Amber "
        "Lantern Books. The warehouse has 800 square metres, two gates and an office. The rent is "
        "3,200 euros a month, due on the third working day.",
        "Term and termination\n\nThe lease begins on 1 March and lasts three years. It goes on for "
        "a year at a time unless one party cancels the contract in writing at least forty-five "
        "days before the end. At the end the tenant leaves the warehouse clean and empty.",
        "Repairs and insurance\n\nThe landlord repairs roof and walls. The tenant insures what is "
        "stored, and reports any damage within a week. Keys that are lost are paid for.",
    ),
    "handbook.pdf": (
        "Handbook of the reading room\n\nThe reading room is open from nine to six, on Thursdays "
        "until nine. Visitors leave coats and bags in a locker.",
        "Borrowing\n\nA card allows ten books for four weeks. Books may be kept for two more weeks "
        "if no one else asks for them. Atlases and newspapers stay in the house.",
    ),
    "report.pdf": (
        "Annual report\n\nLast year 41,250 people visited the library, a tenth more than the year "
        "before. The new children's wing was opened in June.",
        "Finances\n\nThe city paid 1.2 million euros, and friends of the library gave 84,000. "
        "Heating cost a third less, thanks to the new roof.",
        "Outlook\n\nThe catalogue moves to new software. A bus with books will call at six "
        "villages, every second Tuesday.",
    ),
}
ENV = "--env local"


def demo_documents() -> list[tuple[str, float]]:
    """Deploy, add, ask, check the page, and remove all; return each step and its seconds.

    Raises PipelineError when a step fails, or the answer is not from the right page.
    """
    from commands.project import run_shown

    times = list[tuple[str, float]]()

    def step(title: str, arguments: str) -> None:
        times.append((title, run_shown(arguments)))

    with made_documents() as files, local_cloud(times):
        step("deploy the document pipeline", f"documents.deploy {ENV} --yes")
        step("add three documents", f"documents.add {ENV} {' '.join(files)}")
        step("ask a question", f'documents.ask {ENV} "{QUESTION}"')
        times.append(("check its page", checked_answer()))
        step("delete the document pipeline", f"documents.destroy {ENV} --name local")
    return times


@contextmanager
def made_documents() -> Iterator[list[str]]:
    """Write the three PDFs into a folder that goes with the block; yield their paths."""
    from documents.quality.plain_pdf import plain_pdf

    with tempfile.TemporaryDirectory(prefix="documents-") as folder:
        for name, pages in PAGES.items():
            Path(folder, name).write_bytes(plain_pdf(pages))
        yield [str(Path(folder, name)) for name in PAGES]


@contextmanager
def local_cloud(times: list[tuple[str, float]]) -> Iterator[None]:
    """Start the local cloud, and delete it after the block, unless it was up before."""
    from commands.project import run_shown

    was_up = is_up()
    times.append(("start the local cloud", run_shown("cloud.up")))
    yield
    if not was_up:
        times.append(("delete the local cloud", run_shown("cloud.down")))


def is_up() -> bool:
    """Say whether the local cloud is up."""
    from common.environment import load_environment

    environment = load_environment("local")
    if environment.provider == "localcloud":
        from localcloud import control

        return control.status().running
    return False


def checked_answer() -> float:
    """Ask again, for JSON; return its seconds. Raises PipelineError unless the page is right."""
    import time

    from deploy.report.console import console

    began = time.monotonic()
    command = [sys.executable, "-m", "commands", "documents.ask", *ENV.split(), "--json", QUESTION]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PipelineError(f"the question was not answered: {done.stderr.strip()}")
    check_page(json.loads(done.stdout)["passages"])
    console.print(f"\nThe answer is on page {PAGE} of {DOCUMENT}, as it must be.")
    return time.monotonic() - began


def check_page(passages: list[dict[str, object]]) -> None:
    """Raise PipelineError unless the first passage is the one that answers."""
    first = passages[0] if passages else {}
    found = (first.get("sources"), first.get("page"))
    if found != ([DOCUMENT], PAGE) or ANSWER not in str(first.get("text")):
        raise PipelineError(
            f"the first passage is from {found}, not from page {PAGE} of {DOCUMENT}",
            hint="./run.sh documents.status; ./run.sh cloud.down deletes all",
        )
