"""Decide what a deploy or a destroy does: desired state, steps, preflight, cost."""
