"""Print how the local cloud's answers differ from recorded ones of AWS, and why.

``python -m tests.recordings [TESTS]`` runs the tests of the local cloud and of what deploys to it,
or those given with pytest's options, and reports on the operations that they call. Exits with 1
where a difference has no reason in ``exceptions.toml``, or a test fails.
"""

import sys
from collections.abc import Iterator

import pytest

from tests.recordings import held
from tests.recordings.compare import recorded
from tests.recordings.held import excepted, exceptions

TESTS = ("tests/unit/localcloud", "tests/unit/deploy")


def main(arguments: list[str]) -> int:
    """Run the tests, print the report, and return the exit code."""
    code = pytest.main([*(arguments or TESTS), "--quiet", "--no-header", "--tb=line"])
    print("\n".join(report()))
    return int(code != 0 or not all(map(excepted, held.seen)))


def report() -> Iterator[str]:
    """Yield the lines of the report on what this process has called so far."""
    known = held.operations & recorded()["operations"].keys()
    yield f"{len(held.operations)} operations were called; of {len(known)} there are recordings."
    right = sorted(one for one in held.seen if excepted(one))
    wrong = sorted(held.seen - set(right))
    yield f"Differences with a reason: {len(right)}"
    for one in right:
        yield f"  {one}"
        yield f"    {exceptions()[one.operation, one.path, one.what]}"
    yield f"Differences without a reason: {len(wrong)}"
    yield from (f"  {one}" for one in wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
