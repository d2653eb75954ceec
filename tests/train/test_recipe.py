"""The recipe of the bundled model: its functions against transformers, and every step for real."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModel

from app.domain import Item, Span, Task
from app.embedding.checkpoint import read_checkpoint
from app.embedding.torch.engine import TorchEngine
from bench import model as model_bench
from train import __main__ as command
from train.articles import STEP_TOKENS, split_model
from train.data import Reader, Source, read_sources
from train.encoder import (
    WORDS,
    Weights,
    adapted,
    best_device,
    cast,
    encode,
    fastest_dtype,
    new_adapter,
    place_all,
    pool,
)
from train.export import write_checkpoint
from train.glosses import write_glosses
from train.state import Run
from train.teacher import find_teacher, load_teacher, read_tokenizer

LENGTHS = [7, 30, 30, 200]
FC1 = "layers.0.mlp.fc1.weight"


@pytest.fixture(scope="module")
def teacher() -> dict[str, torch.Tensor]:
    return load_teacher(find_teacher())


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return read_tokenizer(find_teacher())


@pytest.fixture(scope="module")
def rotary(teacher: Weights) -> dict[str, torch.Tensor]:
    """The teacher's weights without its positions: nothing that ranks, but real sizes."""
    weights = {name: weight.clone() for name, weight in teacher.items()}
    del weights["embeddings.position_embeddings.weight"]
    types = "embeddings.token_type_embeddings.weight"
    weights[types] = weights[types][:1].clone()
    return weights


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with forty short articles and a question on each."""
    folder = tmp_path_factory.mktemp("corpus")
    articles, questions = [], []
    for number in range(40):
        title = f"Machine {number}"
        intro = f"# {title}\n\nThe machine with the number {number} makes tea. " * 3 + "\n\n"
        care = f"## Cleaning machine {number}\n\n" + "Rinse it with warm water every day. " * 60
        articles.append(
            {
                "id": str(number),
                "title": title,
                "text": intro + care,
                "sections": [
                    {
                        "heading": f"Cleaning machine {number}",
                        "level": 2,
                        "start": len(intro),
                        "end": len(intro + care),
                    }
                ],
            }
        )
        questions.append(
            {
                "query": f"how is machine {number} cleaned?",
                "doc_id": str(number),
                "section_index": 0,
            }
        )
    for name, lines in (("corpus", articles), ("questions", questions)):
        text = "\n".join(json.dumps(line) for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def draw_ids(lengths: list[int]) -> torch.Tensor:
    return torch.randint(1000, 20_000, (sum(lengths),), generator=torch.manual_seed(0))


def test_teacher_gives_the_hidden_states_of_transformers(teacher: Weights) -> None:
    model = AutoModel.from_pretrained(find_teacher(), dtype=torch.float32).eval()
    ids = draw_ids(LENGTHS)
    with torch.inference_mode():
        ours = torch.split(encode(teacher, ids, LENGTHS)[-1], LENGTHS)
        for hidden, sequence in zip(ours, torch.split(ids, LENGTHS), strict=True):
            theirs = model(input_ids=sequence[None]).last_hidden_state[0]
            torch.testing.assert_close(hidden, theirs, atol=1e-4, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_reads_as_the_cpu_does(rotary: dict[str, torch.Tensor]) -> None:
    ids, spans = draw_ids(LENGTHS), [(0, 7), (7, 37), (37, 67), (70, 267)]
    gpu = torch.device("cuda")
    with torch.inference_mode():
        expected = pool(encode(rotary, ids, LENGTHS)[-1], spans)
        fast = cast(place_all(rotary, gpu), fastest_dtype(gpu))
        vectors = pool(encode(fast, ids.to(gpu), LENGTHS)[-1], spans).cpu()
    assert torch.cosine_similarity(vectors, expected).min() > 0.999


def test_exported_checkpoint_gives_the_vectors_of_the_recipe(
    rotary: dict[str, torch.Tensor], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    adapters = {task: new_adapter(rotary, 4) for task in ("query", "passage")}
    for adapter in adapters.values():
        for name, weight in adapter.items():
            # Values that fp16 holds exactly, so that both sides compute with the same ones.
            adapter[name] = torch.randint(-4, 5, weight.shape) / 64
    halves = {name: weight.half().float() for name, weight in rotary.items()}
    write_checkpoint(tmp_path, halves, adapters, tokenizer)
    checkpoint = read_checkpoint(tmp_path)
    assert (checkpoint.max_tokens, checkpoint.dimensions) == (8192, 384)
    engine = TorchEngine(checkpoint, device="cpu")
    text = "Hot tea. Cold milk, no sugar."
    vectors = []
    for task, name in ((Task.QUERY, "query"), (Task.PASSAGE, "passage")):
        (embedding,) = engine.embed([Item(text, task, "", (Span(0, 8),))])
        ids = tokenizer.encode(text).ids
        with torch.inference_mode():
            hidden = encode(adapted(halves, adapters[name]), torch.tensor(ids), [len(ids)])[-1]
            whole, span = pool(hidden, [(0, len(ids))]), pool(hidden, [(1, 4)])
        np.testing.assert_allclose(embedding.vector, whole[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(embedding.passages[0], span[0].numpy(), atol=1e-5)
        vectors.append(embedding.vector)
    assert vectors[0] @ vectors[1] < 0.999


def test_new_adapter_changes_nothing(rotary: dict[str, torch.Tensor]) -> None:
    ids = draw_ids([20])
    with torch.inference_mode():
        merged = encode(adapted(rotary, new_adapter(rotary, 4)), ids, [20])[-1]
        torch.testing.assert_close(merged, encode(rotary, ids, [20])[-1])


def test_weight_that_fp16_cannot_hold_is_refused(
    rotary: dict[str, torch.Tensor], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    large = {**rotary, "layers.0.mlp.fc1.bias": torch.full((1536,), 1e6)}
    with pytest.raises(ValueError, match="no value in fp16"):
        write_checkpoint(tmp_path, large, {}, tokenizer)


def test_question_knows_the_passages_that_answer_it(corpus: Path, tokenizer: Tokenizer) -> None:
    (source, *_) = read_sources([corpus / "corpus.jsonl"], corpus / "questions.jsonl")
    assert source.article.text.startswith("The machine"), "the title's line is left out"
    reader = Reader(tokenizer)
    for seed in range(20):
        example = reader.read(source, max_tokens=8192, chance=random.Random(seed))
        assert example is not None
        for question, answers in zip(example.questions, example.answers, strict=True):
            if question.startswith("how is machine 0 cleaned"):
                texts = [tokenizer.decode(ids) for ids in example.alone]
                assert answers == [i for i, text in enumerate(texts) if "rinse it" in text]


def test_random_words_are_the_same_where_a_passage_stands_alone(
    corpus: Path, tokenizer: Tokenizer
) -> None:
    (source, *_) = read_sources([corpus / "corpus.jsonl"])
    chance = random.Random(0)
    examples = [Reader(tokenizer).read(source, max_tokens=8192, chance=chance) for _ in range(20)]
    originals = {tuple(example.ids[-50:]) for example in examples if example is not None}
    assert len(originals) > 1, "some examples hold other words"
    for example in examples:
        assert example is not None
        for (start, end), alone in zip(example.passages, example.alone, strict=True):
            assert alone[-(end - start) - 1 : -1] == example.ids[start:end]


def test_glosses_become_articles_by_their_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(
        "  1 This software and database is being provided by Princeton University\n"
        "00000010 03 n 01 disease 0 002 ~ 00000020 n 0000 ~ 00000030 n 0000 | an impairment\n"
        '00000020 03 n 02 flu 0 influenza 0 001 @ 00000010 n 0000 | a viral disease; "the flu"\n'
        "00000030 03 n 01 bird_flu 1 001 @ 00000010 n 0000 | a disease of birds\n",
        encoding="utf-8",
    )
    out = tmp_path / "glosses.jsonl"
    assert write_glosses(tmp_path, out) == len(out.read_text(encoding="utf-8").splitlines())
    sources = read_sources([out])
    assert sources[0].article.title == "Disease"
    text = "\n".join(source.article.text for source in sources)
    assert text.count("Disease: an impairment.") == 1
    assert text.count('Flu (influenza): a viral disease; "the flu".') == 1
    assert text.count("Bird flu: a disease of birds.") == 1


def test_sources_without_questions_ask_by_their_headings(corpus: Path) -> None:
    sources: list[Source] = read_sources([corpus / "corpus.jsonl"])
    assert sources[3].questions[0].text == "Machine 3: Cleaning machine 3"


def test_run_goes_on_where_a_killed_one_stopped(tmp_path: Path) -> None:
    run = Run(tmp_path / "state.pt", minutes=60, rate=0.1)
    state = run.start({"weight": torch.ones(3)})
    assert state.advance()
    state.learn(state.learned["weight"].sum(), tokens=1)
    saved = state.finish()["weight"]
    resumed = run.start({"weight": torch.zeros(3)})
    assert resumed.step == 1
    assert resumed.spent_s >= state.spent_s
    assert torch.equal(resumed.learned["weight"].detach(), saved)
    assert not Run(tmp_path / "state.pt", minutes=1e-9, rate=0.1).start(saved_as(saved)).advance()


def saved_as(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"weight": weight}


def test_step_that_needs_no_teacher_runs_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Path:
        raise SystemExit("all-MiniLM-L6-v2 is missing")

    written: list[Path] = []
    monkeypatch.setattr(command, "find_teacher", fail)
    monkeypatch.setattr(command, "write_model", written.append)
    monkeypatch.setattr("sys.argv", ["train", "multilingual", "--out", str(tmp_path)])
    command.main()
    assert written == [tmp_path]


@pytest.mark.slow
def test_every_step_runs_from_the_command_line(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["train", *arguments])
        command.main()

    monkeypatch.setitem(STEP_TOKENS, best_device().type, 600)
    texts = ["--corpus", str(corpus / "corpus.jsonl")]
    asked = [*texts, "--questions", str(corpus / "questions.jsonl")]
    states = {name: str(tmp_path / f"{name}.pt") for name in ("distil", "stretch", "adapt")}
    run("distil", *texts, "--out", states["distil"], "--minutes", "0.05")
    assert "before: {32: 0.7" in capsys.readouterr().out
    run(
        "stretch",
        *asked,
        "--start",
        states["distil"],
        "--out",
        states["stretch"],
        "--minutes",
        "0.1",
    )
    adapt = ["adapt", *asked, "--start", states["stretch"], "--minutes", "0.1"]
    run(*adapt, "--out", states["adapt"])
    run(*adapt, "--course", "apart", "--out", str(tmp_path / "apart.pt"))
    mean = str(tmp_path / "mean.pt")
    run("average", "--models", states["adapt"], str(tmp_path / "apart.pt"), "--out", mean)
    run("export", "--model", mean, "--out", str(tmp_path / "model"))
    learned = torch.load(states["adapt"], weights_only=True)["learned"]
    both = [learned, torch.load(tmp_path / "apart.pt", weights_only=True)["learned"]]
    averaged = torch.load(mean, weights_only=True)["learned"]["base/" + FC1]
    torch.testing.assert_close(averaged, (both[0]["base/" + FC1] + both[1]["base/" + FC1]) / 2)
    base, adapters = split_model(learned)
    assert adapters.keys() == {"query", "passage"}
    assert all(adapter["layers.0.mlp.fc1.lora_B"].any() for adapter in adapters.values())
    stretched = torch.load(states["stretch"], weights_only=True)["learned"]
    assert not torch.equal(base[FC1], stretched[FC1]), "the base learns in step 4 as well"
    assert torch.equal(base[WORDS], stretched[WORDS]), "words stay as they are"

    data = tmp_path / "sets" / "small"
    data.mkdir(parents=True)
    (data / "docs.jsonl").write_text(
        '{"id": "a", "title": "Tea", "text": "Pour hot water over the leaves."}\n'
        '{"id": "b", "title": "Cars", "text": "The engine has four cylinders."}\n',
        encoding="utf-8",
    )
    (data / "queries.jsonl").write_text('{"id": "q", "text": "making tea"}\n', encoding="utf-8")
    (data / "qrels.tsv").write_text("q\ta\t1\n", encoding="utf-8")
    capsys.readouterr()
    monkeypatch.setattr(
        "sys.argv",
        ["model", "--state", states["adapt"], "--data", str(data.parent), "--set", "small"],
    )
    model_bench.main()
    printed = capsys.readouterr().out
    assert "small, 2 documents, 1 queries" in printed
    assert "document, 128        1.0000" in printed
