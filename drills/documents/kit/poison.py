"""PDFs that no one can read, each in another way, and that must fail alone. No AWS."""

import zlib

from documents.quality.plain_pdf import plain_pdf, written

# Of PDF's standard security handler: passwords of the owner and of the user, as hashes
# (ISO 32000-1, 7.6.3). No password leads to these.
LOCK = b"<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>" % (b"5a" * 32, b"a5" * 32)


def poison(zeros_mebibytes: int = 1024) -> dict[str, tuple[bytes, str]]:
    """Return by name what a document is, and a word of the reason that it must fail with."""
    text = plain_pdf(["Long text. " * 500])
    return {
        "truncated.pdf": (text[:-900], "truncated"),
        "encrypted.pdf": (encrypted(), "encrypted"),
        "zeros.pdf": (zeros(zeros_mebibytes), "memory"),
        "recursive.pdf": (endless_form(), ""),
        "wrong-extension.pdf": (b"Just text.\n", "wrong extension"),
    }


def encrypted() -> bytes:
    """Return a PDF that opens only with a password."""
    document = plain_pdf(["Secret."])
    return document.replace(b"trailer\n<<", b"trailer\n<</ID[<00><00>]/Encrypt " + LOCK)


def zeros(mebibytes: int) -> bytes:
    """Return a PDF whose one page is so many zeros, compressed to a thousandth."""
    return _page_of(bytes(2**20), mebibytes)


def bomb(mebibytes: int) -> bytes:
    """Return a PDF whose one page is that much of operators, compressed to a thousandth."""
    return _page_of(b"q " * 2**19, mebibytes)


def _page_of(block: bytes, times: int) -> bytes:
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(block) for _ in range(times)) + packer.flush()
    return written(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R>>",
            b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
        ]
    )


def endless_form() -> bytes:
    """Return a PDF whose page draws a form that draws itself, twice."""
    stream = b"/F Do /F Do"
    return written(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 5 0 R"
            b"/Resources<</XObject<</F 4 0 R>>>>>>",
            b"<</Type/XObject/Subtype/Form/BBox[0 0 99 99]/Resources<</XObject<</F 4 0 R>>>>"
            b"/Length %d>>stream\n%s\nendstream" % (len(stream), stream),
            b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        ]
    )
