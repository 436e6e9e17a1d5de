"""How tests state what preflight finds."""

from collections.abc import Iterable

from deploy.plan.finding import Finding


def marked(found: Iterable[Finding]) -> list[str]:
    """Return what is found and what to do about it; ! marks the fatal."""
    return [f"{'!' if one.fatal else ''}{one.words} → {one.hint}" for one in found]
