"""Judge whether the driver of NVIDIA GPUs answers. Pure; runs on the build instance."""

from typing import Any


def verdict(nvidia: dict[str, Any]) -> dict[str, str]:
    """Return why the check passed, failed or was skipped, from the fact ``nvidia``.

    ``failed`` is empty unless it failed; ``words`` are empty where nothing of a GPU is there.
    """
    gpus, tool, answer = nvidia["gpus"], nvidia["tool"], nvidia["answer"]
    if gpus and not tool:
        return _failed(f"{gpus} NVIDIA GPUs, but no nvidia-smi: the image has no driver")
    if gpus and len(answer) != gpus:
        said = "; ".join(answer) or "nothing"
        return _failed(f"{gpus} NVIDIA GPUs, but nvidia-smi says: {said}")
    if gpus:
        return {"failed": "", "words": f"passed: {'; '.join(answer)}"}
    if tool:
        return {"failed": "", "words": "skipped: the build instance has no NVIDIA GPU"}
    return {"failed": "", "words": ""}


def _failed(words: str) -> dict[str, str]:
    return {"failed": words, "words": f"failed: {words}"}
