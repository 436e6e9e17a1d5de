"""What differs between two images, as a page."""

from dataclasses import replace

from bake.catalog import Image
from deploy.operate.image_facts import ImageDifference
from deploy.report.image_page import difference_page
from deploy.report.page import figure, page, section

OLD = Image(
    ami_id="ami-1",
    role="worker",
    digest="d1",
    ray_version="2.60.0",
    git="abc1234",
    created="2026-11-20",
    verified="",
    architecture="x86_64",
    name="gpu",
)
NEW = replace(OLD, ami_id="ami-2", git="", created="2026-11-22", ray_version="2.61.0")


def test_a_page_is_self_contained_and_escapes_its_title() -> None:
    text = page("a < b", ["<p>one</p>", "", "<p>two\x1b</p>"])

    assert text.startswith(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        "<title>a &lt; b</title><style>\n"
    )
    assert text.endswith("</style></head>\n<body>\n<p>one</p>\n<p>two</p>\n</body></html>\n")


def test_what_is_empty_has_no_frame() -> None:
    assert (figure(""), section("Title", "")) == ("", "")
    assert figure("<svg/>") == '<div class="figure"><svg/></div>'
    assert section("Title", "<p>") == "<h2>Title</h2>\n<p>"


def test_each_difference_is_a_row_with_its_sign() -> None:
    digest = "0123456789abcdef"
    text = difference_page(
        ImageDifference(
            OLD,
            NEW,
            {
                "debian": {"curl": ("1", "2"), "jq": (None, "1.7"), "vim": ("9", None)},
                "file": {"/etc/a": (digest, digest[::-1])},
                "python": {"ray": ("2.60.0", "2.61.0")},
            },
        )
    )

    head = "<table><thead><tr><th></th><th>Name</th><th>Old</th><th>New</th></tr></thead><tbody>"
    assert "<p><code>ami-1 → ami-2</code></p>" in text
    assert (
        "<dl><dt>Old</dt><dd>ami-1, worker gpu, baked 2026-11-20, commit abc1234</dd>"
        "<dt>New</dt><dd>ami-2, worker gpu, baked 2026-11-22, commit unknown</dd></dl>" in text
    )
    assert "<p>Changes: 3 debian, 1 file, 1 python.</p>" in text
    assert (
        f"<h2>Debian packages (3)</h2>\n{head}"
        '<tr class="changed"><td title="changed">~</td><td>curl</td>'
        "<td><code>1</code></td><td><code>2</code></td></tr>"
        '<tr class="added"><td title="added">+</td><td>jq</td>'
        "<td><code></code></td><td><code>1.7</code></td></tr>"
        '<tr class="removed"><td title="removed">-</td><td>vim</td>'
        "<td><code>9</code></td><td><code></code></td></tr></tbody></table>" in text
    )
    assert "<td><code>0123456789ab</code></td><td><code>fedcba987654</code></td>" in text
    assert "<h2>Python (1)</h2>" in text
    assert "<td>ray version</td><td><code>2.60.0</code></td><td><code>2.61.0</code></td>" in text
    assert text.endswith("<footer>Raykiln</footer>\n</body></html>\n")


def test_a_page_says_when_nothing_differs_and_when_that_is_not_known() -> None:
    same = difference_page(ImageDifference(OLD, OLD, {}))
    unknown = difference_page(ImageDifference(OLD, NEW, None))

    assert "Both have the same packages, units, users, files, settings and kernels." in same
    assert "<table>" not in same
    assert "What is in them is not known: one of the images has no inventory." in unknown
