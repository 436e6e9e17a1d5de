"""Decide what a deploy does: the desired state, the steps to it, preflight, cost."""
