"""A worker: when it may join, and the watchdog that sees what a raylet cannot."""
