"""head.logs: its output may be piped to a program that reads only some of it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PRINT = "from commands.head import print_lines; print_lines(str(n) for n in range(10**6))"


def test_a_reader_that_stops_ends_the_output_without_an_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRINT],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as printing:
        assert printing.stdout
        assert printing.stderr
        assert printing.stdout.readline() == "0\n"
        printing.stdout.close()
        assert printing.stderr.read() == ""
    assert printing.returncode == 0
