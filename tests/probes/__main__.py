"""``python -m tests.probes``: ask AWS, and say where it does otherwise; see ``invoke probe``."""

import argparse
import json
import sys
from contextlib import suppress
from secrets import token_hex

from common.clients import Clients
from common.errors import Interrupted, Refused
from common.waiting import SystemClock
from deploy.report.console import console
from tests.probes.kit.interruption import interruption
from tests.probes.kit.place import RUN_TAG, Place
from tests.probes.kit.registry import Probe, chosen


def main(arguments: list[str]) -> int:
    """Ask the chosen probes, in the region and with the image given; return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.probes")
    parser.add_argument("--region")
    parser.add_argument("--image")
    parser.add_argument("--tags", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("name", nargs="*")
    options = parser.parse_args(arguments)
    try:
        wanted = chosen(options.name)
    except Refused as error:
        parser.error(str(error))
    if options.list:
        for one in wanted:
            console.print(f"{one.name}: {one.title}\n    {one.assumed}\n    {one.source}")
        return 0
    clients, asked = Clients(options.region), list[bool]()
    with interruption() as came:
        for one in wanted:
            name = f"raykiln-probe-{token_hex(4)}"
            place = Place(clients, SystemClock(), name, options.image, given=options.tags)
            place.is_interrupted = came.is_set
            with suppress(Interrupted):
                asked.append(ask(one, place))
            if came.is_set():
                return Interrupted.exit_code
    return 0 if all(asked) else 2


def ask(probe: Probe, place: Place) -> bool:
    """Ask one, print what AWS did and what is left of it; say whether that is what is assumed.

    Raises Interrupted.
    """
    try:
        with place:
            is_so = show_answer(probe, place)
    finally:
        for what in place.left:
            say("LEFT", f"{what}; it has the tag {RUN_TAG}={place.name}")
    return is_so and not place.left


def show_answer(probe: Probe, place: Place) -> bool:
    """Print what AWS did, or why it could not be asked: the next is asked all the same.

    Raises Interrupted.
    """
    try:
        found = probe.ask(place)
    except Interrupted as error:
        say("stopped", f"{probe.name}: {error}; what it made is removed now, which takes minutes")
        raise
    except Exception as error:
        say("not asked", f"{probe.name} could not be asked: {error}")
        return False
    is_so = found == probe.assumed
    say("as assumed" if is_so else "OTHERWISE", f"{probe.name}: {found}")
    if not is_so:
        say("", f"assumed: {probe.assumed}")
        say("", probe.source)
    for note in place.notes:
        say("", note)
    return is_so


def say(heading: str, words: str) -> None:
    """Print a line; the headings are a column."""
    console.print(f"{heading:<10} {words}", markup=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
