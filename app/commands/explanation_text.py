"""An explanation as text that a person reads."""

from collections.abc import Iterator
from typing import Any

_STAGES = {
    "unit": "by its whole vector",
    "passage": "by its best passage",
    "lexical": "by words",
    "match": "by one passage",
    "fused": "all together",
}
_PASSAGE_CHARACTERS = 280


def describe_explanation(explanation: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of what POST …/explain answered."""
    yield (
        f"{explanation['collection']}/{explanation['document_id']}: "
        f"{explanation['state'].replace('_', ' ')}: {explanation['reason']}"
    )
    for version in explanation["versions"]:
        live = ", answers" if version["live"] else ""
        error = f", {version['error']['code']}" if version["error"] else ""
        yield f"  version {version['version']}: {version['status']}{live}{error}"
    ranking = explanation["ranking"]
    if ranking is None:
        return
    yield ""
    for stage, standing in ranking["stages"].items():
        yield f"  {_STAGES[stage]:20} {_describe_standing(standing)}"
    yield ""
    yield from _describe_reading(ranking["reading"])
    if ranking["passages"]:
        yield "  passages that matched:"
    for passage in ranking["passages"]:
        page = f"page {passage['page']}" if passage["page"] else ""
        where = ", ".join(part for part in (passage["heading"], page) if part)
        yield f"    {passage['score']:.3f}  {where}"
        words = " ".join(passage["text"].split())
        cut = len(words) > _PASSAGE_CHARACTERS
        yield f"      {words[: _PASSAGE_CHARACTERS - 1] + '…' if cut else words}"
    took = ", ".join(f"{stage} {ms:.1f}" for stage, ms in ranking["took_ms"].items())
    yield f"  milliseconds: {took}"


def _describe_standing(standing: dict[str, Any]) -> str:
    if standing["rank"] is None:
        return f"not found, among {standing['of']}"
    return (
        f"rank {standing['rank']} of {standing['of']}, score {standing['score']:.4f}, "
        f"{standing['gap']:+.4f} from the last one shown"
    )


def _describe_reading(reading: dict[str, Any]) -> Iterator[str]:
    if reading["model_tokens"] is not None:
        adapter = reading["adapter"] or "none"
        yield f"  the model read {reading['model_tokens']} tokens, adapter {adapter}:"
        yield f"    {'|'.join(reading['tokens'])}"
    if reading["terms"]:
        words = ", ".join(f"{word['term']} ×{word['count']}" for word in reading["terms"])
        yield f"  words in the article: {words}"
