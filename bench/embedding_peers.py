"""The embedding engines that Folio's is compared with, on the same checkpoint and machine."""

import json
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from sentence_transformers import SentenceTransformer

# Runs where infinity-emb is installed, which wants other versions of much that Folio uses.
_INFINITY = """
import asyncio, json, sys, time
from infinity_emb import AsyncEmbeddingEngine, EngineArgs

async def main():
    engine = AsyncEmbeddingEngine.from_args(EngineArgs(
        model_name_or_path=sys.argv[1], engine="torch", device="cpu", dtype="float32",
        bettertransformer=False, compile=False, model_warmup=False, lengths_via_tokenize=True,
    ))
    async with engine:
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            texts = json.loads(line)
            started = time.perf_counter()
            await engine.embed(sentences=texts)
            print(json.dumps(time.perf_counter() - started), flush=True)

asyncio.run(main())
"""


class SentenceTransformers:
    """sentence-transformers with its defaults, which are float32 and unmerged adapters."""

    def __init__(
        self, folder: Path, adapters: Sequence[str], *, dtype: torch.dtype = torch.float32
    ) -> None:
        self.model: Any = SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": dtype}
        )
        with warnings.catch_warnings():
            # PEFT warns of the second adapter; two are what is wanted.
            warnings.simplefilter("ignore")
            for name in adapters:
                self.model.load_adapter(
                    str(folder), adapter_name=name, adapter_kwargs={"subfolder": name}
                )

    def encode(self, texts: Sequence[str], adapter: str, *, batch_size: int = 32) -> object:
        """Embed texts; sentence-transformers sorts them by length itself."""
        self.model.set_adapter(adapter)
        return self.model.encode(list(texts), show_progress_bar=False, batch_size=batch_size)


class Infinity:
    """infinity-emb in a process of its own, without HTTP: only its engine is timed."""

    def __init__(self, python: Path, folder: Path) -> None:
        self._process = subprocess.Popen(
            [str(python), "-c", _INFINITY, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._read() != "ready":
            raise SystemExit("infinity-emb did not start")

    def seconds(self, texts: Sequence[str]) -> float:
        """Embed texts; returns the seconds that it took there."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(list(texts)) + "\n")
        self._process.stdin.flush()
        return float(self._read())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # Whatever else it prints is no answer.
            if line.startswith(('"', "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")):
                return json.loads(line)
        raise SystemExit("infinity-emb ended")
