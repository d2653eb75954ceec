"""Runs a checkpoint with torch, on a CPU or a GPU; OpenVINO can read its questions."""

import platform
import warnings
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from transformers import AutoTokenizer
from transformers import logging as transformers_logging

from app.domain import Embedding, Item, Task
from app.embedding.checkpoint import Checkpoint
from app.embedding.metrics import EngineMetrics
from app.embedding.processors import count_processors
from app.embedding.scheduler import Lane, Lanes, choose_lane
from app.embedding.tokenization import ReadItem, ReadsTokens, TokenReader
from app.embedding.torch.architectures import read_network
from app.embedding.torch.jina_v2 import is_jina_v2, read_jina_v2
from app.embedding.torch.jina_v5 import find_family
from app.embedding.torch.layers import Network
from app.embedding.torch.packed import (
    CompilePass,
    PackedEncoder,
    Steps,
    can_quantize,
    pick_dtype,
)
from app.embedding.torch.q4_0 import is_packed, read_packed
from app.errors import FolioError, ModelUnavailable

PEFT_PREFIX = "base_model.model."
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}
# A second thread saves such a pass little, and on a busy machine costs it much: each of its many
# short parallel parts waits for the thread that was not scheduled.
_ONE_THREAD_BELOW_FLOPS = 1e9
# A pass over questions is not interrupted: what has more tokens would hold up the others.
_MAX_URGENT_TOKENS = 128
# Each holds the hidden states of a batch.
_MAX_PASSES = 8


class _Row(NamedTuple):
    """What is to be made of one item."""

    read: ReadItem
    adapter: str
    dimensions: int


class _Encoder(Protocol):
    flops_per_token: int

    def run(
        self,
        ids: torch.Tensor,
        lengths: Sequence[int],
        adapters: Sequence[str],
        *,
        is_urgent: bool = False,
        share: float = 1.0,
    ) -> Steps: ...


class TorchEngine(ReadsTokens):
    """Packed passes with all adapters at once; architectures it does not know run padded."""

    name: str
    problem = None

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "auto",
        batch_tokens: int = 1024,
        runtime: str = "torch",
        dtype: str = "float32",
        merge_bytes: int = 0,
        max_waiting_tokens: int = 262_144,
    ):
        """Load the weights; `batch_tokens` bounds a batch, a longer row runs alone.

        `runtime` is `torch`, `openvino`, which reads short questions with OpenVINO, or `auto`: the
        second where it is installed and the processor is an x86. `dtype` is `float32`, `bfloat16`,
        `int8`, or `auto`, which times the first two. `merge_bytes` bounds the copies of the weights
        that have an adapter merged in.

        Raises ModelUnavailable when weights are missing, and when OpenVINO or int8 was asked for
        and cannot run.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = device
        self.checkpoint = checkpoint
        self.max_tokens = checkpoint.max_tokens
        self.unit_tokens = checkpoint.unit_tokens
        self.late_chunking = checkpoint.late_chunking
        self.languages = checkpoint.languages
        self.dimensions = checkpoint.dimensions
        self.metrics = EngineMetrics()
        tokenizer = AutoTokenizer.from_pretrained(str(checkpoint.folder), local_files_only=True)
        self._reader = TokenReader(tokenizer.backend_tokenizer, checkpoint)
        model: Any = None
        if is_jina_v2(checkpoint.folder):
            network: Network | None = read_jina_v2(checkpoint.folder)
        elif is_packed(checkpoint.folder):
            network = read_packed(checkpoint.folder)
        else:
            model = load_model(checkpoint)
            network = read_network(model, list(checkpoint.adapters.values()))
        self._encoder: _Encoder
        self.name = _choose_runtime(runtime, network, device)
        if dtype == "int8":
            _check_int8(network, device)
        if network is None:
            self.dtype = "float32"
            self._encoder = _PaddedEncoder(model.to(device), device)
        else:
            widest = network.layers[0].up.weight
            chosen = pick_dtype(widest.to(device)) if dtype == "auto" else DTYPES[dtype]
            self.dtype = str(chosen).removeprefix("torch.")
            self._encoder = PackedEncoder(
                network,
                device=device,
                dtype=chosen,
                merge_bytes=merge_bytes,
                compile_pass=_load_compiler() if self.name == "openvino" else None,
            )
        self._threads = min(torch.get_num_threads(), count_processors())
        # transformers' own passes change the model, and a GPU takes one at a time.
        is_shared = network is not None and device == "cpu"
        self._lanes: Lanes[_Row, Embedding] = Lanes(
            batch_tokens=batch_tokens,
            max_waiting_tokens=max_waiting_tokens,
            metrics=self.metrics,
            threads=self._threads,
            passes=min(self._threads, _MAX_PASSES) if is_shared else 1,
        )
        weakref.finalize(self, self._lanes.close)

    def embed(
        self,
        items: Sequence[Item],
        *,
        dimensions: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
        refuses: bool = False,
    ) -> list[Embedding]:
        """See Engine.embed."""
        if not self.late_chunking and any(item.spans for item in items):
            apart = [part for item in items for part in _take_apart(item)]
            embeddings = self.embed(
                apart, dimensions=dimensions, is_cancelled=is_cancelled, refuses=refuses
            )
            return _put_together(items, embeddings)
        cut = self.checkpoint.check_dimensions(dimensions)
        adapters = [self.checkpoint.find_adapter(item.task) for item in items]
        rows = [
            (_Row(read, adapter, cut), len(read.ids))
            for adapter, read in zip(adapters, self._reader.read(items, is_cancelled), strict=True)
        ]
        lane = choose_lane(items, of_others=refuses)
        if lane is Lane.QUERIES and sum(tokens for _, tokens in rows) > _MAX_URGENT_TOKENS:
            lane = Lane.LONG_QUERIES
        start = partial(self._start_pass, is_urgent=lane is Lane.QUERIES)
        return self._lanes.run(rows, lane, start, is_cancelled=is_cancelled, refuses=refuses)

    def warm_up(self) -> None:
        """See Engine.warm_up."""
        try:
            for task in (Task.PASSAGE, Task.QUERY):
                self.embed([Item("warm up", task)])
        except FolioError:
            raise
        # A model that wants other inputs, a device without the memory: whatever torch raises.
        except Exception as error:
            raise ModelUnavailable(
                f"{self.checkpoint.name} cannot be run on {self.device}: "
                f"{type(error).__name__}: {error}"
            ) from error

    @torch.inference_mode()
    def _start_pass(
        self, rows: list[_Row], threads: int, *, is_urgent: bool = False
    ) -> Generator[None, None, list[Embedding]]:
        """Run rows as one batch in so many threads; yields between steps."""
        # Rows of one length share a call of attention.
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i].read.ids), rows[i].adapter))
        lengths = [len(rows[i].read.ids) for i in order]
        ids = torch.from_numpy(np.concatenate([rows[i].read.ids for i in order]).astype(np.int64))
        is_small = len(ids) * self._encoder.flops_per_token < _ONE_THREAD_BELOW_FLOPS
        adapters = [rows[i].adapter for i in order]
        share = threads / self._threads
        steps = self._encoder.run(ids, lengths, adapters, is_urgent=is_urgent, share=share)
        while True:
            # Another pass may have run in this thread since the last step, or this one in another.
            torch.set_num_threads(1 if is_small else threads)
            try:
                next(steps)
            except StopIteration as end:
                hidden = end.value
                break
            yield
        parts = dict(zip(order, torch.split(hidden, lengths), strict=True))
        return [self._pool(parts[i], row) for i, row in enumerate(rows)]

    def _pool(self, hidden: torch.Tensor, row: _Row) -> Embedding:
        """Pool the token vectors of one row (tokens, hidden_size) into unit and span vectors."""
        item, read = row.read, hidden
        if not self.checkpoint.include_prompt and item.prompt_tokens:
            read = hidden[item.prompt_tokens :]
        match self.checkpoint.pooling:
            case "mean":
                unit = read.mean(dim=0)
            case "cls":
                unit = read[0]
            case "max":
                unit = read.amax(dim=0)
            case "last":
                unit = read[-1]
        # A span without tokens of its own (characters that the tokenizer drops) reads as its unit.
        pooled = [hidden[a:b].mean(dim=0) if b > a else unit for a, b in item.spans]
        vectors = torch.stack([unit, *pooled])[:, : row.dimensions]
        norms = vectors.norm(dim=1)
        normalized = torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()
        lengths = norms.cpu().numpy()
        return Embedding(
            normalized[0],
            normalized[1:],
            len(item.ids),
            item.text_tokens,
            float(lengths[0]),
            lengths[1:],
        )


def _take_apart(item: Item) -> list[Item]:
    """Return a text without its spans, then each of these as a text under the same title."""
    texts = [item.text[span.start : span.end] for span in item.spans]
    return [replace(item, spans=()), *(Item(text, item.task, item.title) for text in texts)]


def _put_together(items: Sequence[Item], embeddings: Sequence[Embedding]) -> list[Embedding]:
    """Return one embedding an item, of those that `_take_apart` gave."""
    left = iter(embeddings)
    joined = []
    for item in items:
        unit, parts = next(left), [next(left) for _ in item.spans]
        passages = np.stack([unit.vector, *(part.vector for part in parts)])[1:]
        norms = np.array([part.norm for part in parts], dtype=np.float32)
        joined.append(replace(unit, passages=passages, passage_norms=norms))
    return joined


def _choose_runtime(wanted: str, network: Network | None, device: str) -> str:
    """Return `torch` or `openvino`; raises ModelUnavailable where the wanted one cannot run."""
    if wanted == "torch":
        return wanted
    reason = _why_not_openvino(network, device)
    if reason is None:
        return "openvino"
    if wanted == "openvino":
        raise ModelUnavailable(f"FOLIO_RUNTIME=openvino: {reason}")
    return "torch"


def _check_int8(network: Network | None, device: str) -> None:
    """Raise ModelUnavailable where products of 8 bits cannot be had."""
    if network is None:
        raise ModelUnavailable("FOLIO_DTYPE=int8: Folio has no layers of its own for this model")
    if not can_quantize(device):
        raise ModelUnavailable(
            f"FOLIO_DTYPE=int8: it takes an x86 processor with VNNI, and not {device} of "
            f"{platform.machine()}"
        )


def _load_compiler() -> CompilePass:
    # An extra, and tenths of a second to import.
    from app.embedding.torch.openvino_pass import OpenVinoPass

    return OpenVinoPass


def _why_not_openvino(network: Network | None, device: str) -> str | None:
    if find_spec("openvino") is None:
        return (
            "OpenVINO is not installed, which the extra `openvino` has: "
            "pip install '.[openvino]' in a checkout of Folio"
        )
    if device != "cpu" or platform.machine() not in ("x86_64", "AMD64"):
        return f"it runs on x86 processors, not on {device} of {platform.machine()}"
    from app.embedding.torch.openvino_pass import can_compile

    if network is None or not can_compile(network):
        return "it has no counterpart of what this model is made of"
    return None


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)


def load_model(checkpoint: Checkpoint) -> Any:
    """Return transformers' model in fp32 with the adapters of the checkpoint.

    Raises ModelUnavailable when the files lack weights that vectors depend on.
    """
    folder = str(checkpoint.folder)
    # Loading bars on stderr would end up between the lines of a command's output.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # transformers only warns of what is missing.
    with _quiet_transformers(), warnings.catch_warnings():
        # PEFT warns of the second adapter; several are what is wanted.
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
        family, config = find_family(checkpoint)
        model, report = family.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
        # The pooler is for classifying; vectors are pooled from the hidden states.
        _refuse_missing(
            folder, (key for key in report["missing_keys"] if not key.startswith("pooler."))
        )
        # Two tasks may share one.
        for adapter in dict.fromkeys(checkpoint.adapters.values()):
            # By its own folder: as a subfolder, transformers 5.17 does not find it.
            path = str(checkpoint.folder / adapter)
            loaded = model.load_adapter(
                path, adapter_name=adapter, adapter_kwargs={"local_files_only": True}
            )
            # Those that were loaded before are listed as well.
            _refuse_missing(path, (key for key in loaded.missing_keys if f".{adapter}" in key))
        if checkpoint.query_adapter is not None:
            replace_adapter(model, checkpoint.adapters[Task.QUERY], checkpoint.query_adapter)
    return model.eval().requires_grad_(False)


def _refuse_missing(folder: str, names: Iterable[str]) -> None:
    missing = sorted(names)
    if missing:
        raise ModelUnavailable(f"{folder} lacks {len(missing)} weights, such as {missing[0]}")


def adapter_weights(model: Any, adapter: str) -> dict[str, torch.nn.Parameter]:
    """Return the weights of an adapter by the names that a PEFT file gives them."""
    return {
        PEFT_PREFIX + name.replace(f".{adapter}", ""): weight
        for name, weight in model.named_parameters()
        if f".{adapter}" in name
    }


def replace_adapter(model: Any, adapter: str, data: bytes) -> None:
    """Put the weights of a safetensors file in the place of an adapter's.

    Raises ModelUnavailable for a file of another adapter.
    """
    weights, ours = load_safetensors(data), adapter_weights(model, adapter)
    if {name: weight.shape for name, weight in weights.items()} != {
        name: weight.shape for name, weight in ours.items()
    }:
        raise ModelUnavailable("the tuned adapter was made for another model")
    with torch.no_grad():
        for name, weight in ours.items():
            weight.copy_(weights[name])


class _PaddedEncoder:
    """transformers' own forward pass, an adapter after another; one step a batch."""

    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self._device = device
        # A multiplication and an addition for each weight but those that are only looked up.
        self.flops_per_token = 2 * sum(
            weights.numel()
            for module in model.modules()
            if not isinstance(module, torch.nn.Embedding)
            for weights in module.parameters(recurse=False)
        )

    def run(
        self,
        ids: torch.Tensor,
        lengths: Sequence[int],
        adapters: Sequence[str],
        *,
        is_urgent: bool = False,
        share: float = 1.0,
    ) -> Steps:
        rows = torch.split(ids, list(lengths))
        states: dict[int, torch.Tensor] = {}
        for adapter in sorted(set(adapters)):
            mine = [i for i, name in enumerate(adapters) if name == adapter]
            if adapter:
                self._model.set_adapter(adapter)
            padded = torch.nn.utils.rnn.pad_sequence([rows[i] for i in mine], batch_first=True)
            mask = torch.nn.utils.rnn.pad_sequence(
                [torch.ones_like(rows[i]) for i in mine], batch_first=True
            )
            hidden = self._model(
                input_ids=padded.to(self._device), attention_mask=mask.to(self._device)
            ).last_hidden_state
            states.update((i, hidden[at, : lengths[i]]) for at, i in enumerate(mine))
            yield
        return torch.cat([states[i] for i in range(len(rows))])
