"""The tokenizer of the local model, which measures chunks for every provider. No AWS."""

from pathlib import Path

from tokenizers import Tokenizer

from documents.chunking import Spans


class SpanTokenizer:
    """Called with a text; returns where each of its tokens begins and ends."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def __call__(self, text: str) -> Spans:
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)
