"""What a checkpoint's files declare, which are refused, and what identifies a model."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.domain import Task
from app.embedding.checkpoint import Checkpoint, read_checkpoint
from app.embedding.loader import open_checkpoint
from app.errors import InvalidRequest, ModelUnavailable, UnsupportedCheckpoint
from tests.checkpoints import PROMPTS, make_jina_v3, make_plain

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def original_plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plain(tmp_path_factory.mktemp("plain") / "model", "bert")


@pytest.fixture
def plain(tmp_path: Path, original_plain: Path) -> Path:
    """A BERT of 64 tokens, to be changed at will."""
    return Path(shutil.copytree(original_plain, tmp_path / "plain"))


@pytest.fixture
def jina(tmp_path: Path, jina_v3: Path) -> Path:
    """A jina-embeddings-v3 with prompts, to be changed at will."""
    return Path(shutil.copytree(jina_v3, tmp_path / "jina"))


def write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def change(path: Path, **values: object) -> None:
    """Set keys of a JSON file; None removes one."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    kept = {key: value for key, value in content.items() if key not in values}
    write(path, kept | {key: value for key, value in values.items() if value is not None})


def alter_weights(path: Path) -> None:
    """Turn over one bit of the last weight."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


# Tokens


def test_window_is_the_declared_one_before_that_of_the_tokenizer(plain: Path) -> None:
    change(plain / "tokenizer_config.json", model_max_length=99)
    assert read_checkpoint(plain).max_tokens == 64


def test_window_is_that_of_the_tokenizer_where_none_is_declared(plain: Path) -> None:
    (plain / "sentence_bert_config.json").unlink()
    change(plain / "tokenizer_config.json", model_max_length=99)
    assert read_checkpoint(plain).max_tokens == 99


@pytest.mark.parametrize(
    ("model_type", "rows"), [("bert", 130), ("xlm-roberta", 128), ("mpnet", 128)]
)
def test_window_never_passes_the_position_table(plain: Path, model_type: str, rows: int) -> None:
    """RoBERTa's table keeps its first pad_token_id + 1 rows for padding."""
    change(plain / "config.json", model_type=model_type)
    change(plain / "sentence_bert_config.json", max_seq_length=512)
    assert read_checkpoint(plain).max_tokens == rows
    (plain / "sentence_bert_config.json").unlink()
    assert read_checkpoint(plain).max_tokens == rows
    # What transformers writes for a tokenizer without a limit.
    change(plain / "tokenizer_config.json", model_max_length=10**30)
    assert read_checkpoint(plain).max_tokens == rows


def test_window_of_the_tokenizer_alone_is_enough(plain: Path) -> None:
    (plain / "sentence_bert_config.json").unlink()
    change(plain / "config.json", max_position_embeddings=None)
    assert read_checkpoint(plain).max_tokens == 8192


def test_checkpoint_without_any_window_is_refused(plain: Path) -> None:
    (plain / "sentence_bert_config.json").unlink()
    change(plain / "config.json", max_position_embeddings=None)
    change(plain / "tokenizer_config.json", model_max_length=None)
    with pytest.raises(UnsupportedCheckpoint, match="how many tokens"):
        read_checkpoint(plain)


def test_jina_v3_reads_8192_tokens(jina_v3: Path) -> None:
    assert read_checkpoint(jina_v3).max_tokens == 8192


# Pooling


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_pooling_is_read_from_flags(tmp_path: Path, pooling: str) -> None:
    folder = make_plain(tmp_path / "model", "bert", pooling=pooling)
    checkpoint = read_checkpoint(folder)
    assert (checkpoint.pooling, checkpoint.include_prompt) == (pooling, True)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("include_prompt", [True, False])
def test_pooling_is_read_by_name(plain: Path, pooling: str, include_prompt: bool) -> None:
    write(
        plain / "1_Pooling" / "config.json",
        {"embedding_dimension": 32, "pooling_mode": pooling, "include_prompt": include_prompt},
    )
    checkpoint = read_checkpoint(plain)
    assert (checkpoint.pooling, checkpoint.include_prompt) == (pooling, include_prompt)


def test_pooling_is_read_from_the_folder_that_modules_name(plain: Path) -> None:
    modules = json.loads((plain / "modules.json").read_text(encoding="utf-8"))
    modules[1]["path"] = "pooling"
    write(plain / "modules.json", modules)
    write(plain / "pooling" / "config.json", {"pooling_mode": "cls"})
    assert read_checkpoint(plain).pooling == "cls"


def test_pooling_is_the_mean_where_nothing_is_declared(plain: Path) -> None:
    shutil.rmtree(plain / "1_Pooling")
    (plain / "modules.json").unlink()
    assert read_checkpoint(plain).pooling == "mean"


@pytest.mark.parametrize(
    "config",
    [
        {"pooling_mode": "weightedmean"},
        {"pooling_mode": ["cls", "mean"]},
        {"pooling_mode_weightedmean_tokens": True},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
    ],
)
def test_other_pooling_is_refused(plain: Path, config: dict[str, Any]) -> None:
    write(plain / "1_Pooling" / "config.json", config)
    with pytest.raises(UnsupportedCheckpoint, match="mean, cls, max or lasttoken is run"):
        read_checkpoint(plain)


# Prompts


@pytest.mark.parametrize(
    ("declared", "default", "expected"),
    [
        (PROMPTS, None, {Task(name): prompt for name, prompt in PROMPTS.items()}),
        ({"query": "q: ", "document": "d: "}, None, {Task.QUERY: "q: ", Task.PASSAGE: "d: "}),
        ({"query": "q: ", "passage": "p: "}, None, {Task.QUERY: "q: ", Task.PASSAGE: "p: "}),
        ({"query": "q: ", "document": ""}, None, {Task.QUERY: "q: "}),
        ({"clustering": "c: "}, None, {Task.SEPARATION: "c: "}),
        (
            {"retrieval.query": "long: ", "query": "short: ", "other": "o: "},
            None,
            {Task.QUERY: "long: "},
        ),
        ({"query": "q: ", "all": "a: "}, "all", dict.fromkeys(Task, "a: ") | {Task.QUERY: "q: "}),
        ({}, None, {}),
        (None, None, {}),
    ],
)
def test_prompts_are_read_by_task(
    plain: Path, declared: dict[str, str] | None, default: str | None, expected: dict[Task, str]
) -> None:
    write(
        plain / "config_sentence_transformers.json",
        {"prompts": declared, "default_prompt_name": default},
    )
    checkpoint = read_checkpoint(plain)
    assert checkpoint.prompts == expected
    assert [checkpoint.prompt(task) for task in Task] == [expected.get(task, "") for task in Task]


def test_checkpoint_without_prompts_has_none(short_jina_v3: Path) -> None:
    assert read_checkpoint(short_jina_v3).prompts == {}


# Adapters


def test_adapters_are_found_by_task(jina_v3: Path) -> None:
    assert read_checkpoint(jina_v3).adapters == {
        Task.QUERY: "retrieval_query",
        Task.PASSAGE: "retrieval_passage",
        Task.TEXT_MATCHING: "text_matching",
        Task.CLASSIFICATION: "classification",
        Task.SEPARATION: "separation",
    }


def test_adapters_other_than_the_retrieval_ones_may_be_missing(tmp_path: Path) -> None:
    folder = make_jina_v3(tmp_path, adapters=("retrieval_query", "retrieval_passage"))
    assert set(read_checkpoint(folder).adapters) == {Task.QUERY, Task.PASSAGE}


def test_plain_encoder_has_no_adapters(plain: Path) -> None:
    assert read_checkpoint(plain).adapters == {}


@pytest.mark.parametrize("missing", ["retrieval_query", "retrieval_passage"])
def test_jina_v3_without_a_retrieval_adapter_is_refused(jina: Path, missing: str) -> None:
    shutil.rmtree(jina / missing)
    with pytest.raises(UnsupportedCheckpoint, match=f"lacks the adapters {missing}$"):
        read_checkpoint(jina)


def test_jina_v3_without_any_adapter_is_refused(jina: Path) -> None:
    for folder in jina.iterdir():
        if (folder / "adapter_config.json").exists():
            shutil.rmtree(folder)
    with pytest.raises(UnsupportedCheckpoint, match="retrieval_passage, retrieval_query"):
        read_checkpoint(jina)


def test_adapter_without_safetensors_is_refused(jina: Path) -> None:
    weights = jina / "separation" / "adapter_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(UnsupportedCheckpoint, match=r"separation holds no adapter_model\.safe"):
        read_checkpoint(jina)


# Refusals


@pytest.mark.parametrize("kind", ["Dense", "LayerNorm", "WeightedLayerPooling"])
def test_module_that_would_be_left_out_is_refused(plain: Path, kind: str) -> None:
    modules = json.loads((plain / "modules.json").read_text(encoding="utf-8"))
    modules.insert(2, {"path": "2", "type": f"sentence_transformers.models.{kind}"})
    write(plain / "modules.json", modules)
    with pytest.raises(UnsupportedCheckpoint, match=f"names a module {kind}"):
        read_checkpoint(plain)


def test_newer_names_of_the_known_modules_are_read(plain: Path) -> None:
    kinds = ["base.modules.transformer.Transformer", "sentence_transformer.modules.pooling.Pooling"]
    modules = [
        {"path": path, "type": f"sentence_transformers.{kind}"}
        for path, kind in zip(["", "1_Pooling"], kinds, strict=True)
    ]
    write(plain / "modules.json", modules)
    assert read_checkpoint(plain).pooling == "mean"


def test_weights_in_other_formats_are_refused(plain: Path) -> None:
    (plain / "model.safetensors").rename(plain / "pytorch_model.bin")
    with pytest.raises(UnsupportedCheckpoint, match="other formats are not read"):
        read_checkpoint(plain)


def test_remote_code_is_refused(plain: Path) -> None:
    change(plain / "config.json", model_type=None, auto_map={"AutoModel": "custom--model.Model"})
    with pytest.raises(UnsupportedCheckpoint, match="remote code, which is never run"):
        read_checkpoint(plain)


def test_relative_positions_are_refused(plain: Path) -> None:
    change(plain / "config.json", position_embedding_type="relative_key_query")
    with pytest.raises(UnsupportedCheckpoint, match="relative positions"):
        read_checkpoint(plain)
    change(plain / "config.json", position_embedding_type="absolute")
    read_checkpoint(plain)


@pytest.mark.parametrize("key", ["model_type", "hidden_size"])
def test_config_without_model_type_or_size_is_refused(plain: Path, key: str) -> None:
    change(plain / "config.json", **{key: None})
    with pytest.raises(UnsupportedCheckpoint, match="names no model type or hidden size"):
        read_checkpoint(plain)


@pytest.mark.parametrize(
    "name", ["config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json"]
)
@pytest.mark.parametrize("content", ["{", "\udcff", "42"])
def test_file_that_is_not_what_it_should_be_is_refused(
    plain: Path, name: str, content: str
) -> None:
    (plain / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelUnavailable, match=name):
        read_checkpoint(plain)


def test_folder_without_config_is_refused(plain: Path) -> None:
    (plain / "config.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"config\.json cannot be read"):
        open_checkpoint(Settings(model=str(plain)))


def test_file_that_cannot_be_opened_is_named(plain: Path) -> None:
    # As a copy of a cache that lacks what its links lead to.
    (plain / "model.safetensors").unlink()
    (plain / "model.safetensors").symlink_to(plain / "nowhere")
    with pytest.raises(ModelUnavailable, match=r"cannot be read: .*model\.safetensors"):
        open_checkpoint(Settings(model=str(plain)))


def test_number_that_is_none_is_refused(plain: Path) -> None:
    change(plain / "sentence_bert_config.json", max_seq_length="many")
    with pytest.raises(ModelUnavailable, match=r"cannot be read: .*many"):
        open_checkpoint(Settings(model=str(plain)))


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no such model folder:"):
        open_checkpoint(Settings(model=str(tmp_path / "none")))


def test_home_of_a_user_whom_nobody_knows_is_refused() -> None:
    with pytest.raises(ModelUnavailable, match="~nobody-of-this-name/model cannot be read"):
        open_checkpoint(Settings(model="~nobody-of-this-name/model"))


@pytest.mark.parametrize("revision", ["", "main", COMMIT[:-1], COMMIT + "0", COMMIT.upper()])
def test_hugging_face_id_without_a_commit_is_refused(revision: str) -> None:
    with pytest.raises(ModelUnavailable, match="FOLIO_MODEL_REVISION to the 40-digit commit"):
        open_checkpoint(Settings(model="some/model", model_revision=revision))


def test_hugging_face_id_is_read_from_the_cache(
    tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "hub" / "models--some--model" / "snapshots" / COMMIT
    shutil.copytree(plain, cached)
    (cached.parents[1] / "refs").mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    checkpoint = open_checkpoint(Settings(model="some/model", model_revision=COMMIT))
    assert (checkpoint.name, checkpoint.revision) == ("some/model", COMMIT)
    assert checkpoint.folder == cached


def test_hugging_face_id_that_is_not_cached_is_refused_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match=f"some/model at {COMMIT} could not be fetched"):
        open_checkpoint(Settings(model="some/model", model_revision=COMMIT))


def test_download_that_breaks_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class LostError(Exception):
        """As httpx's, which are no OSError."""

    def break_off(*_: object, **__: object) -> str:
        raise LostError

    monkeypatch.setattr("huggingface_hub.snapshot_download", break_off)
    with pytest.raises(ModelUnavailable, match=r"could not be fetched \(LostError\)"):
        open_checkpoint(Settings(model="some/model", model_revision=COMMIT))


# Dimensions


def test_matryoshka_model_is_cut_to_fewer_dimensions(jina_v3: Path) -> None:
    checkpoint = read_checkpoint(jina_v3, dimensions=8)
    assert (checkpoint.dimensions, checkpoint.hidden_size) == (8, 32)
    assert [checkpoint.check_dimensions(size) for size in (1, 31, 32)] == [1, 31, 32]


@pytest.mark.parametrize("dimensions", [0, 33, 1024])
def test_dimensions_beyond_the_model_are_refused(jina_v3: Path, dimensions: int) -> None:
    with pytest.raises(InvalidRequest, match="1 to 32 dimensions") as caught:
        read_checkpoint(jina_v3, dimensions=dimensions)
    assert caught.value.code == "unsupported_dimensions"


def test_model_that_is_not_trained_for_it_is_not_cut(plain: Path) -> None:
    assert read_checkpoint(plain, dimensions=32).dimensions == 32
    # By the settings: no question of a caller can do anything about it.
    with pytest.raises(UnsupportedCheckpoint, match="of 32 dimensions; 16 was asked for") as caught:
        open_checkpoint(Settings(model=str(plain), dimensions=16))
    assert caught.value.code == "unsupported_dimensions"


def test_other_model_may_declare_that_it_can_be_cut(plain: Path) -> None:
    change(plain / "config.json", matryoshka_dimensions=[8, 16, 32])
    assert read_checkpoint(plain, dimensions=16).dimensions == 16


# Fingerprint


def _set_pooling(folder: Path) -> None:
    write(folder / "1_Pooling" / "config.json", {"pooling_mode": "cls"})


def _leave_prompt_out(folder: Path) -> None:
    write(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean", "include_prompt": False})


def _set_prompt(folder: Path, name: str) -> None:
    write(folder / "config_sentence_transformers.json", {"prompts": {**PROMPTS, name: "other: "}})


@pytest.mark.parametrize(
    ("part", "alter"),
    [
        ("weights", lambda folder: alter_weights(folder / "model.safetensors")),
        (
            "passage_adapter",
            lambda folder: alter_weights(
                folder / "retrieval_passage" / "adapter_model.safetensors"
            ),
        ),
        (
            "passage_adapter",
            lambda folder: change(
                folder / "retrieval_passage" / "adapter_config.json", lora_alpha=2
            ),
        ),
        ("passage_prompt", lambda folder: _set_prompt(folder, "retrieval.passage")),
        ("pooling", _set_pooling),
        ("pooling", _leave_prompt_out),
        ("config", lambda folder: change(folder / "config.json", layer_norm_eps=1e-6)),
        ("tokenizer", lambda folder: change(folder / "tokenizer.json", normalizer=None)),
    ],
)
def test_fingerprint_changes_with_what_changes_a_stored_vector(
    jina: Path, part: str, alter: Callable[[Path], None]
) -> None:
    before = read_checkpoint(jina)
    alter(jina)
    after = read_checkpoint(jina)
    assert after.fingerprint != before.fingerprint
    assert [key for key in after.identity if after.identity[key] != before.identity[key]] == [part]


@pytest.mark.parametrize(
    "alter",
    [
        lambda folder: alter_weights(folder / "retrieval_query" / "adapter_model.safetensors"),
        lambda folder: alter_weights(folder / "separation" / "adapter_model.safetensors"),
        lambda folder: _set_prompt(folder, "retrieval.query"),
        lambda folder: change(folder / "config.json", transformers_version="4.0.0"),
        lambda folder: change(folder / "config.json", _name_or_path="elsewhere", dtype="bfloat16"),
        lambda folder: (folder / "README.md").write_text("A model.", encoding="utf-8"),
    ],
    ids=["query adapter", "other adapter", "query prompt", "version", "place", "readme"],
)
def test_fingerprint_stays_with_what_changes_no_stored_vector(
    jina: Path, alter: Callable[[Path], object]
) -> None:
    before = read_checkpoint(jina)
    alter(jina)
    assert read_checkpoint(jina).fingerprint == before.fingerprint


def test_fingerprint_does_not_depend_on_where_the_folder_is(tmp_path: Path, jina: Path) -> None:
    copied = Path(shutil.copytree(jina, tmp_path / "another" / "place"))
    checkpoints = [open_checkpoint(Settings(model=str(folder))) for folder in (jina, copied)]
    assert checkpoints[0].fingerprint == checkpoints[1].fingerprint
    assert [checkpoint.name for checkpoint in checkpoints] == ["jina", "place"]


def test_fingerprint_changes_with_dimensions_and_revision(jina: Path) -> None:
    def fingerprint(**values: Any) -> str:
        return open_checkpoint(Settings(model=str(jina), **values)).fingerprint

    fingerprints = [
        fingerprint(),
        fingerprint(dimensions=16),
        fingerprint(dimensions=8),
        fingerprint(model_revision=COMMIT),
    ]
    assert len(set(fingerprints)) == 4
    assert fingerprint(dimensions=32) == fingerprint()
    assert all(len(digest) == 16 for digest in fingerprints)


def test_weights_in_several_files_all_count(plain: Path) -> None:
    before = read_checkpoint(plain).fingerprint
    shutil.copy(plain / "model.safetensors", plain / "model-00002-of-00002.safetensors")
    assert read_checkpoint(plain).fingerprint != before


# The bundled model


def open_bundled() -> Checkpoint:
    return open_checkpoint(Settings())


def test_bundled_model_reads_8192_tokens_with_the_two_retrieval_adapters() -> None:
    checkpoint = open_bundled()
    assert checkpoint.name == "folio-mini"
    assert (checkpoint.max_tokens, checkpoint.dimensions, checkpoint.pooling) == (8192, 384, "mean")
    assert checkpoint.adapters.keys() == {Task.QUERY, Task.PASSAGE}
    assert checkpoint.matryoshka
    assert checkpoint.prompts == {}


def test_bundled_model_is_found_without_loading_torch() -> None:
    code = (
        "import sys\n"
        "from app.config import Settings\n"
        "from app.embedding.loader import open_checkpoint\n"
        "assert open_checkpoint(Settings()).dimensions == 384\n"
        "loaded = sys.modules.keys() & {'torch', 'transformers'}\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_prompts_can_be_switched_off_and_that_is_another_fingerprint(jina: Path) -> None:
    told = open_checkpoint(Settings(model=str(jina)))
    silent = open_checkpoint(Settings(model=str(jina), prompts=False))
    assert told.prompts == {Task(name): prompt for name, prompt in PROMPTS.items()}
    assert silent.prompts == {}
    assert told.fingerprint != silent.fingerprint
