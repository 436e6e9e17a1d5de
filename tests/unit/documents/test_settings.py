"""The settings: a file, variables over it, secrets from variables alone, all mistakes at once."""

from pathlib import Path

import pytest

from common.errors import Refused
from documents.settings import load_settings

NEEDED = {
    "DOCUMENTS_REGION": "us-east-1",
    "DOCUMENTS_BUCKET": "bucket",
    "DOCUMENTS_QUEUE_URL": "https://queue",
    "DOCUMENTS_CONTROL_TABLE": "control",
    "DOCUMENTS_AUDIT_TABLE": "audit",
    "DOCUMENTS_METRICS_TABLE": "metrics",
    "DOCUMENTS_VECTOR_BUCKET": "vectors",
}


def test_everything_runs_without_a_key() -> None:
    settings = load_settings(NEEDED)

    assert (settings.embeddings, settings.index, settings.answers) == (
        "local",
        "s3vectors",
        "extractive",
    )


def test_a_variable_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("region: eu-west-1\nchunk_tokens: 100\n")

    settings = load_settings({**NEEDED, "DOCUMENTS_SETTINGS": str(file)})

    assert (settings.region, settings.chunk_tokens) == ("us-east-1", 100)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(Refused) as caught:
        load_settings(
            {**NEEDED, "DOCUMENTS_ATTEMPTS": "0", "DOCUMENTS_INDEX": "x", "DOCUMENTS_Y": "1"}
        )

    for name in ("attempts", "index", "y"):
        assert f"\n  {name}: " in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"DOCUMENTS_EMBEDDINGS": "openai"}, "OPENAI_API_KEY is needed"),
        ({"DOCUMENTS_INDEX": "pinecone"}, "PINECONE_API_KEY are needed"),
        ({"DOCUMENTS_VECTOR_BUCKET": ""}, "vector_bucket is needed"),
        ({"DOCUMENTS_CHUNK_OVERLAP": "160"}, "chunk_overlap must be less"),
        ({"DOCUMENTS_WORKERS_MIN": "2", "DOCUMENTS_WORKERS_MAX": "1"}, "workers_min must be at"),
    ],
)
def test_what_does_not_fit_together_is_refused(variables: dict[str, str], says: str) -> None:
    with pytest.raises(Refused, match=says):
        load_settings({**NEEDED, **variables})


def test_a_secret_comes_from_a_variable_alone_and_is_not_shown(tmp_path: Path) -> None:
    settings = load_settings({**NEEDED, "OPENAI_API_KEY": "sk-hidden"})
    assert settings.openai_api_key.get_secret_value() == "sk-hidden"
    assert "sk-hidden" not in repr(settings)

    file = tmp_path / "settings.yaml"
    file.write_text("openai_api_key: sk-hidden\n")
    with pytest.raises(Refused, match="holds openai_api_key") as caught:
        load_settings({**NEEDED, "DOCUMENTS_SETTINGS": str(file)})
    assert "sk-hidden" not in str(caught.value)


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="must name a YAML file"):
        load_settings({"DOCUMENTS_SETTINGS": str(tmp_path / "missing.yaml")})
