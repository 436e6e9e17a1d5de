"""``python -m tests.probes``: ask AWS, and say where it does otherwise; see ``invoke probe``."""

import argparse
import sys
from secrets import token_hex

from common.clients import Clients
from common.errors import Refused
from common.waiting import SystemClock
from deploy.report.console import console
from tests.probes.place import Place
from tests.probes.registry import Probe, chosen


def main(arguments: list[str]) -> int:
    """Ask the chosen probes, in the region and with the image given; return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.probes")
    parser.add_argument("--region")
    parser.add_argument("--image")
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
    clients = Clients(options.region)
    asked = [ask(one, clients, options.image) for one in wanted]
    return 0 if all(asked) else 2


def ask(probe: Probe, clients: Clients, image_id: str) -> bool:
    """Ask one, print what AWS did and what it left; say whether that is what is assumed."""
    name = f"raykiln-probe-{token_hex(4)}"
    place = Place(clients, SystemClock(), name, image_id)
    try:
        with place:
            found = probe.ask(place)
    except Exception as error:  # the next is asked all the same
        found = f"no answer: {error}"
    is_so = found == probe.assumed
    console.print(f"{'as assumed' if is_so else 'OTHERWISE':<10} {probe.name}: {found}")
    if not is_so:
        console.print(f"{'':<10} assumed: {probe.assumed}\n{'':<10} {probe.source}")
    for note in place.notes:
        console.print(f"{'':<10} {note}")
    for what in place.left:
        console.print(f"{'LEFT':<10} {what}; it has the tag raykiln:probe={name}")
    return is_so and not place.left


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
