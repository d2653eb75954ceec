"""Questions that OpenVINO reads have the vectors that torch gives them."""

import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.config import Settings
from app.domain import Item, Task
from app.embedding.checkpoint import Checkpoint, read_checkpoint
from app.embedding.loader import load_engine, open_checkpoint
from app.embedding.torch import engine as torch_engine
from app.embedding.torch.engine import TorchEngine
from app.embedding.torch.openvino_pass import OpenVinoPass
from app.embedding.torch.packed import PackedEncoder
from app.errors import ModelUnavailable
from tests.checkpoints import make_jina_v2, make_jina_v3, make_plain

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="it is for x86 processors"
)

TEXTS = [
    " ".join(["tea", "milk", "water", "button"][i % 4] for i in range(n)) for n in (1, 3, 9, 5)
]

MODELS: dict[str, Callable[[Path], Path]] = {
    "jina-v3": make_jina_v3,
    "jina-v2": make_jina_v2,
    "bert": lambda folder: make_plain(folder, "bert"),
    "mpnet": lambda folder: make_plain(folder, "mpnet"),
    "xlm-roberta": lambda folder: make_plain(folder, "xlm-roberta"),
}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sequences each pass of OpenVINO read."""
    counted: list[int] = []
    run = OpenVinoPass.run

    def count(self: OpenVinoPass, *arguments: object) -> object:
        counted.append(len(arguments[1]))  # type: ignore[arg-type]
        return run(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(OpenVinoPass, "run", count)
    return counted


def both(checkpoint: Checkpoint, **options: object) -> tuple[TorchEngine, TorchEngine]:
    return (
        TorchEngine(checkpoint, device="cpu", runtime="torch", **options),  # type: ignore[arg-type]
        TorchEngine(checkpoint, device="cpu", runtime="openvino", **options),  # type: ignore[arg-type]
    )


def vectors(engine: TorchEngine, items: list[Item]) -> np.ndarray:
    return np.stack([embedding.vector for embedding in engine.embed(items)])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("count", [1, 4], ids=["one question", "several"])
def test_questions_have_the_vectors_of_torch(
    name: str, count: int, tmp_path: Path, runs: list[int]
) -> None:
    torch_only, with_openvino = both(read_checkpoint(MODELS[name](tmp_path / name)))
    items = [Item(text, Task.QUERY) for text in TEXTS[:count]]
    expected = vectors(torch_only, items)
    assert not runs
    assert vectors(with_openvino, items) == pytest.approx(expected, abs=2e-6)
    assert runs == [count]


def test_bundled_model_has_the_vectors_of_torch(runs: list[int]) -> None:
    torch_only, with_openvino = both(open_checkpoint(Settings()), merge_bytes=2**30)
    items = [Item(text, Task.QUERY) for text in ["how do I reset the machine?", *TEXTS]]
    expected = vectors(torch_only, items)
    assert (vectors(with_openvino, items) * expected).sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert runs


def test_bfloat16_stays_near(runs: list[int]) -> None:
    exact, _ = both(open_checkpoint(Settings()))
    _, fast = both(open_checkpoint(Settings()), dtype="bfloat16")
    items = [Item("how do I reset the machine?", Task.QUERY)]
    assert (vectors(fast, items) * vectors(exact, items)).sum() >= 0.999
    assert runs


@pytest.mark.parametrize(
    "items",
    [
        [Item(TEXTS[0], Task.PASSAGE)],
        [Item(TEXTS[0], Task.QUERY), Item(TEXTS[1], Task.SEPARATION)],
        [Item(" ".join(["tea"] * 200), Task.QUERY)],
    ],
    ids=["an article", "mixed tasks", "a long question"],
)
def test_torch_reads_the_rest(items: list[Item], tmp_path: Path, runs: list[int]) -> None:
    torch_only, with_openvino = both(read_checkpoint(make_jina_v3(tmp_path / "model")))
    assert vectors(with_openvino, items) == pytest.approx(vectors(torch_only, items), abs=2e-6)
    assert not runs


def test_a_question_between_the_steps_of_an_article_changes_neither(tmp_path: Path) -> None:
    torch_only, with_openvino = both(read_checkpoint(make_jina_v3(tmp_path / "model")))
    article = Item(" ".join(["tea milk"] * 300), Task.PASSAGE)
    question = Item(TEXTS[1], Task.QUERY)
    encoder = with_openvino._encoder
    assert isinstance(encoder, PackedEncoder)
    expected = vectors(torch_only, [article, question])
    # What the lanes do, every step of the way.
    (read,) = with_openvino._reader.read([article])
    row = torch_engine._Row(read, "retrieval_passage", with_openvino.dimensions)
    steps = with_openvino._start_pass([row], 1)
    found = None
    while found is None:
        asked = vectors(with_openvino, [question])[0]
        assert asked == pytest.approx(expected[1], abs=2e-6)
        try:
            next(steps)
        except StopIteration as end:
            (found,) = end.value
    assert found.vector == pytest.approx(expected[0], abs=2e-6)


def test_it_is_chosen_by_itself(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(make_jina_v3(tmp_path / "model"))
    assert load_engine(checkpoint, Settings()).name == "openvino"
    assert load_engine(checkpoint, Settings(runtime="torch")).name == "torch"


def test_without_the_package_torch_reads_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = read_checkpoint(make_jina_v3(tmp_path / "model"))
    monkeypatch.setattr(torch_engine, "find_spec", lambda name: None)
    assert load_engine(checkpoint, Settings()).name == "torch"
    with pytest.raises(ModelUnavailable, match=r"pip install '\.\[openvino\]'"):
        load_engine(checkpoint, Settings(runtime="openvino"))


def test_other_processors_are_left_to_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = read_checkpoint(make_jina_v3(tmp_path / "model"))
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert load_engine(checkpoint, Settings()).name == "torch"
    with pytest.raises(ModelUnavailable, match="x86"):
        load_engine(checkpoint, Settings(runtime="openvino"))
