"""A parallel map: count the primes below a number, in pieces, on all workers.

    invoke job.submit --working-dir examples --follow -- python parallel_map.py --below 2000000

What to change for your own: ``primes``, and the pieces that it is called with.
"""

import argparse
import time
from collections import Counter

import ray

PIECE = 100_000


@ray.remote
def primes(begin: int, end: int) -> tuple[int, str]:
    """Return how many primes there are from begin to before end, and which node counted them."""
    sieve = bytearray([1]) * (end - begin)
    for factor in range(2, int(end**0.5) + 1):
        first = max(factor * factor, -(-begin // factor) * factor)
        sieve[first - begin :: factor] = bytes(len(range(first, end, factor)))
    below_two = max(0, min(end, 2) - begin)
    return sum(sieve) - sum(sieve[:below_two]), ray.util.get_node_ip_address()


def main() -> None:
    """Split, map, and add up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--below", type=int, default=2_000_000)
    below = parser.parse_args().below
    ray.init(logging_level="warning")
    began = time.monotonic()
    pieces = [(begin, min(begin + PIECE, below)) for begin in range(0, below, PIECE)]
    found = ray.get([primes.remote(begin, end) for begin, end in pieces])
    nodes = Counter(node for _, node in found)
    print(f"{sum(count for count, _ in found)} primes below {below}")
    print(f"{len(pieces)} pieces on {len(nodes)} nodes in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
