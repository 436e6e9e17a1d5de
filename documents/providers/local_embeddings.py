"""Embeddings on this machine: all-MiniLM-L6-v2 in int8 by ONNX Runtime. No AWS, no network."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from common.errors import Refused
from documents.providers.interfaces import Vector

# The model was trained on up to 256 word pieces (its sentence_bert_config.json).
MAX_TOKENS = 256
BATCH = 16


class LocalEmbeddings:
    """The model in a folder that documents/model/build.py made."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        try:
            self.dimension = int(json.loads((folder / "model.json").read_text())["dimension"])
        except OSError as error:
            raise Refused(
                f"there is no embedding model in {folder}",
                hint="set model_folder to where the image has it",
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def count(self, texts: Sequence[str]) -> int:
        """Return 0: nothing is charged."""
        return 0

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector for each text; texts of like length are computed together."""
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        vectors: list[Vector] = [[] for _ in ids]
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            for at, vector in zip(some, self._run([ids[at] for at in some]), strict=True):
                vectors[at] = vector
        return vectors

    def _run(self, ids: list[list[int]]) -> list[Vector]:
        tokens = np.zeros((len(ids), max(map(len, ids))), np.int64)
        mask = np.zeros_like(tokens)
        for row, one in enumerate(ids):
            tokens[row, : len(one)], mask[row, : len(one)] = one, 1
        (found,) = self._session.run(None, {"input_ids": tokens, "attention_mask": mask})
        return list(found.tolist())
