"""Articles made of a dictionary: words of every field, which documentation does not have.

A model that follows its teacher on documentation alone forgets what other fields' words mean. The
definitions ("glosses") of WordNet 3.0 (Princeton; free for any use with its notice) stand in the
order of their hierarchy, so that what follows one another is about one thing: diseases, fishes,
laws. That order is cut into articles of many lengths.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GLOSSES_A_SECTION = 8
MEDIAN_GLOSSES = 25
MAX_GLOSSES = 400

_HYPONYMS = ("~", "~i")


@dataclass(frozen=True, slots=True)
class Synset:
    """Words of one meaning, what they mean, and the narrower meanings below."""

    words: tuple[str, ...]
    gloss: str
    narrower: tuple[int, ...]


def read_nouns(folder: Path) -> dict[int, Synset]:
    """Read WordNet's `data.noun` by byte offset; the format is described in wndb(5WN)."""
    synsets = {}
    with (folder / "data.noun").open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("  "):
                continue  # the licence
            fields, _, gloss = line.partition(" | ")
            parts = fields.split()
            count = int(parts[3], 16)
            pointers = parts[5 + 2 * count :]
            synsets[int(parts[0])] = Synset(
                tuple(word.replace("_", " ") for word in parts[4 : 4 + 2 * count : 2]),
                gloss.strip(),
                tuple(
                    int(offset)
                    for symbol, offset in zip(pointers[::4], pointers[1::4], strict=False)
                    if symbol in _HYPONYMS
                ),
            )
    return synsets


def make_articles(synsets: Mapping[int, Synset], seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield lines of a corpus that holds every gloss once."""
    chance = random.Random(seed)
    order = list(_walk(synsets, chance))
    first = 0
    while first < len(order):
        size = int(min(MAX_GLOSSES, chance.lognormvariate(0, 1.2) * MEDIAN_GLOSSES)) + 2
        yield _make_article(f"gloss-{first}", order[first : first + size])
        first += size


def _walk(synsets: Mapping[int, Synset], chance: random.Random) -> Iterator[tuple[str, Synset]]:
    """Yield each synset once, depth first, with the word for what it is a kind of."""
    narrower = {offset for synset in synsets.values() for offset in synset.narrower}
    stack = [(synsets[at].words[0], at) for at in synsets if at not in narrower]
    seen = set()
    while stack:
        kind, at = stack.pop()
        if at in seen:
            continue
        seen.add(at)
        synset = synsets[at]
        yield kind, synset
        below = list(synset.narrower)
        chance.shuffle(below)
        stack += [(synset.words[0], offset) for offset in below]


def _make_article(name: str, glosses: Sequence[tuple[str, Synset]]) -> dict[str, Any]:
    title = glosses[0][0].capitalize()
    text, sections = f"# {title}\n\n", []
    for first in range(0, len(glosses), GLOSSES_A_SECTION):
        part = glosses[first : first + GLOSSES_A_SECTION]
        heading, start = part[0][1].words[0], len(text)
        text += f"## {heading}\n\n" + "".join(_define(synset) for _, synset in part)
        sections.append({"heading": heading, "level": 2, "start": start, "end": len(text)})
    return {"id": name, "title": title, "text": text, "sections": sections}


def _define(synset: Synset) -> str:
    first, *others = synset.words
    also = f" ({', '.join(others)})" if others else ""
    return f"{first[0].upper()}{first[1:]}{also}: {synset.gloss}.\n\n"


def write_glosses(wordnet: Path, out: Path) -> int:
    """Write articles of WordNet's nouns to `out`, one JSON a line; returns how many."""
    lines = [json.dumps(article) for article in make_articles(read_nouns(wordnet))]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)
