"""Item 5: whatever is kept of what callers send is counted in bytes."""

import ast
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

from app.index.analysis import count_terms
from app.index.byte_cache import MISSING, ByteCache, count_bytes, keep, keep_each
from app.index.query import parse_query

ROOT = Path(__file__).parents[2]
# Caches by number: of what an operator or the program has few of, never of what callers send.
BY_NUMBER = {
    "app/embedding/foreign_tokens.py": "one table of the program",
    "app/index/analysis.py": "one term a language",
    "app/index/language.py": "one detector",
    "app/index/stemming.py": "one pattern a language",
    "app/index/words.py": "one pattern",
    "app/services/search/token_counters.py": "tokenizers of the operator",
    "ingest/parse_and_cut.py": "ends with the document",
    "ingest/parsers/number_formats.py": "in the parsing process, whose memory is limited",
}


def test_caches_by_number_are_of_what_callers_do_not_send() -> None:
    found = set()
    for path in sorted([*ROOT.glob("app/**/*.py"), *ROOT.glob("ingest/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for decorator in getattr(node, "decorator_list", []):
                named = decorator.func if isinstance(decorator, ast.Call) else decorator
                if getattr(named, "id", getattr(named, "attr", "")) in {"lru_cache", "cache"}:
                    found.add(path.relative_to(ROOT).as_posix())
    assert found == BY_NUMBER.keys()


def test_cache_answers_as_its_function_and_keeps_to_its_bytes() -> None:
    asked = []

    @keep(64 * 1024)
    def double(word: str) -> str:
        asked.append(word)
        return word * 2

    assert [double("tea"), double("tea")] == ["teatea", "teatea"]
    assert asked == ["tea"]
    # Larger than the cache: answered, not kept.
    assert double("x" * 100_000) == double("x" * 100_000)
    assert len(asked) == 3
    tracemalloc.start()
    try:
        for number in range(2000):
            double(f"{number}" + "y" * 1000)
        asked.clear()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100 * 1024
    # What is asked for again and again stays, whatever else comes.
    for number in range(1000):
        double("tea")
        double(f"z{number}")
    assert asked.count("tea") <= 1


def test_of_many_words_those_are_made_that_are_not_kept() -> None:
    asked = []

    @keep_each(64 * 1024)
    def repeat(words: Sequence[str], times: int) -> list[str]:
        asked.append((*words, times))
        return [word * times for word in words]

    assert repeat(["tea", "oil"], 2) == ["teatea", "oiloil"]
    assert repeat(["oil", "tea", "rye", "oil"], 2) == ["oiloil", "teatea", "ryerye", "oiloil"]
    # What it depends on besides is part of the key.
    assert repeat(["tea"], 3) == ["teateatea"]
    assert asked == [("tea", "oil", 2), ("rye", 2), ("tea", 3)]
    tracemalloc.start()
    try:
        for number in range(2000):
            asked.clear()
            repeat([f"{number}" + "y" * 1000], 2)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100 * 1024


def test_what_is_forgotten_makes_room_for_others() -> None:
    cache = ByteCache(8 * 1024)
    for number in range(100):
        cache.put(number, "x" * 1000)
        cache.forget([number, "never kept"])
        assert cache.find(number) is MISSING
    # Nothing had to go for what came and went.
    cache.put("tea", "y" * 1000)
    cache.put("oil", "z" * 1000)
    assert (cache.find("tea"), cache.find("oil")) == ("y" * 1000, "z" * 1000)


def test_bytes_count_what_a_value_is_made_of() -> None:
    assert count_bytes(("x" * 1000, ("y" * 1000,))) > 2000
    assert count_bytes({"x" * 1000: ["y" * 1000]}) > 2000
    assert count_bytes(parse_query("z" * 1000)) > 1000


def test_long_questions_without_spaces_leave_no_memory_behind() -> None:
    """120 of them grew the memory by 180 MB for good while entries were counted."""
    count_terms("茶")
    tracemalloc.start()
    try:
        for number in range(30):
            # Each its own: the code points of a question are shifted by its number.
            text = "".join(chr(0x4E00 + (number * 97 + i * 31) % 20_000) for i in range(10_000))
            parse_query(text)
            count_terms(text[:2000])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 40 * 2**20
