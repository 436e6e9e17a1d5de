"""Drills: each injects a fault into a running cluster and times the recovery."""
