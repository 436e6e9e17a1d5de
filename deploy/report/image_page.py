"""What differs between two images, as a page for a reviewer. No AWS: returns HTML as text."""

from html import escape

from bake.catalog import Image
from bake.inventory import Change
from deploy.operate.image_facts import ImageDifference
from deploy.report.page import page, section

HEADINGS = {
    "system": "Distribution",
    "kernel": "Kernels",
    "debian": "Debian packages",
    "unit": "Units",
    "user": "Users",
    "setting": "Kernel settings",
    "file": "Files of no package",
}
SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def difference_page(found: ImageDifference) -> str:
    """Return the page; every text in it is escaped."""
    title = f"{found.old.ami_id} → {found.new.ami_id}"
    facts: dict[str, Change] = {name.replace("_", " "): pair for name, pair in found.facts.items()}
    parts = [
        f"<h1>What differs between two images</h1><p><code>{escape(title)}</code></p>",
        f"<dl>{_image('Old', found.old)}{_image('New', found.new)}</dl>",
        f"<p>{escape(_summary(found))}</p>",
        section("Images", _table(facts)),
    ]
    for part, changed in (found.changes or {}).items():
        heading = f"{HEADINGS.get(part) or part.capitalize()} ({len(changed)})"
        parts.append(section(escape(heading), _table(changed, hashes=part == "file")))
    return page(title, [*parts, "<footer>Raykiln</footer>"])


def _image(which: str, image: Image) -> str:
    name = f"{image.role} {image.name}".rstrip()
    words = f"{image.ami_id}, {name}, baked {image.created}, commit {image.git or 'unknown'}"
    return f"<dt>{which}</dt><dd>{escape(words)}</dd>"


def _summary(found: ImageDifference) -> str:
    if found.changes is None:
        return "What is in them is not known: one of the images has no inventory."
    if not found.changes:
        return "Both have the same packages, units, users, files, settings and kernels."
    counts = [f"{len(changed)} {part}" for part, changed in found.changes.items()]
    return f"Changes: {', '.join(counts)}."


def _table(changed: dict[str, Change], *, hashes: bool = False) -> str:
    if not changed:
        return ""
    rows = "".join(_row(name, change, hashes) for name, change in changed.items())
    return (
        "<table><thead><tr><th></th><th>Name</th><th>Old</th><th>New</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _row(name: str, change: Change, hashes: bool) -> str:
    old, new = change
    kind = "changed" if old and new else ("added" if new else "removed")
    cells = ((value or "")[:12] if hashes else value or "" for value in (old, new))
    values = "".join(f"<td><code>{escape(value)}</code></td>" for value in cells)
    return (
        f'<tr class="{kind}"><td title="{kind}">{SIGNS[kind]}</td>'
        f"<td>{escape(name)}</td>{values}</tr>"
    )
