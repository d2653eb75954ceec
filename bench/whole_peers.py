"""What people build instead of Folio, whole: ingestion and search in a process of its own.

    PYTHON bench/whole_peers.py txtai SET MODEL FOLDER

Runs where the peers are installed and Folio is not, so it imports nothing of Folio's. Reads a set
and a model's folder, keeps the peer's index in FOLDER, and prints one line of JSON: seconds of
ingestion, milliseconds of each search, and the documents that each found.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

WINDOW_TOKENS = 254
_LIMIT = 10
_DEPTH = 50
"""Chunks that are asked for, so that ten documents are among them."""

Search: TypeAlias = Callable[[str], Iterable[str]]
"""Returns the document of each chunk that was found, best first."""


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON Lines."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def cut_windows(documents: Sequence[dict[str, Any]], model: Path) -> Iterator[tuple[str, str]]:
    """Yield (document id, text) of windows that the model reads whole, so that nothing is lost."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for document in documents:
        text = f"{document.get('title') or ''}\n\n{document['text']}"
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        for first in range(0, len(offsets), WINDOW_TOKENS):
            window = offsets[first : first + WINDOW_TOKENS]
            yield document["id"], text[window[0][0] : window[-1][1]]


def build_txtai(documents: Sequence[dict[str, Any]], model: Path, folder: Path) -> Search:
    """txtai's hybrid index, which adds BM25 and vectors, over windows."""
    from txtai import Embeddings

    embeddings = Embeddings(path=str(model), method="sentence-transformers", hybrid=True)
    owners = []
    rows = []
    for number, (owner, text) in enumerate(cut_windows(documents, model)):
        owners.append(owner)
        rows.append((number, text, None))
    embeddings.index(rows)
    embeddings.save(str(folder / "index"))
    return lambda query: (owners[int(found[0])] for found in embeddings.search(query, _DEPTH))


def build_chroma(documents: Sequence[dict[str, Any]], model: Path, folder: Path) -> Search:
    """Chroma with its sentence-transformers function, over windows."""
    import chromadb
    from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

    embed = SentenceTransformerEmbeddingFunction(model_name=str(model))
    client = chromadb.PersistentClient(
        path=str(folder), settings=chromadb.Settings(anonymized_telemetry=False)
    )
    collection = client.create_collection(
        "peer", embedding_function=embed, metadata={"hnsw:space": "cosine"}
    )
    windows = list(cut_windows(documents, model))
    for first in range(0, len(windows), 256):
        some = windows[first : first + 256]
        collection.add(
            ids=[str(first + place) for place in range(len(some))],
            documents=[text for _, text in some],
            metadatas=[{"owner": owner} for owner, _ in some],
        )

    def search(query: str) -> list[str]:
        found = collection.query(query_texts=[query], n_results=min(_DEPTH, len(windows)))
        return [row["owner"] for row in found["metadatas"][0]]

    return search


def build_llamaindex(documents: Sequence[dict[str, Any]], model: Path, folder: Path) -> Search:
    """LlamaIndex with its default chunks, which this model cuts, fused with BM25 by rank.

    Its own default sorts cosines and BM25 scores together as they are, so that BM25's come first.
    """
    from llama_index.core import Document, Settings, VectorStoreIndex
    from llama_index.core.llms.mock import MockLLM
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.retrievers.bm25 import BM25Retriever

    Settings.embed_model = HuggingFaceEmbedding(model_name=str(model))
    nodes = SentenceSplitter().get_nodes_from_documents(
        [
            Document(
                text=f"{one.get('title') or ''}\n\n{one['text']}",
                metadata={"owner": one["id"]},
                # Else each chunk would begin with it, and no other system reads ids.
                excluded_embed_metadata_keys=["owner"],
                excluded_llm_metadata_keys=["owner"],
            )
            for one in documents
        ]
    )
    index = VectorStoreIndex(nodes)
    index.storage_context.persist(persist_dir=str(folder))
    words = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=_DEPTH)
    fused = QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=_DEPTH), words],
        llm=MockLLM(),
        mode=FUSION_MODES.RECIPROCAL_RANK,
        num_queries=1,
        similarity_top_k=_DEPTH,
        use_async=False,
    )
    return lambda query: (node.metadata["owner"] for node in fused.retrieve(query))


BUILDERS = {"txtai": build_txtai, "chroma": build_chroma, "llamaindex": build_llamaindex}


def main() -> None:
    """Ingest a set with one peer, ask it every question, and print what came of it."""
    name, data, model, folder = sys.argv[1], *map(Path, sys.argv[2:5])
    documents = read_lines(data / "docs.jsonl")
    started = perf_counter()
    search = BUILDERS[name](documents, model, folder)
    seconds = perf_counter() - started
    queries = [line["text"] for line in read_lines(data / "queries.jsonl")]
    # Connections, caches and threads of the first search are not part of its time.
    list(search(queries[0]))
    found, took = [], []
    for query in queries:
        started = perf_counter()
        found.append(list(dict.fromkeys(search(query)))[:_LIMIT])
        took.append(1000 * (perf_counter() - started))
    print(json.dumps({"seconds": seconds, "ms": took, "found": found}))


if __name__ == "__main__":
    main()
