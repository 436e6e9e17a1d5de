"""A worker: the gate before it joins, and the watchdog that sees what a raylet cannot."""
