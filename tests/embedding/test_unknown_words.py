"""What a tokenizer does not know is counted, and is not all the same."""

import numpy as np
import pytest

from app.config import Settings
from app.domain import Item, Task
from app.embedding.engine import Engine
from app.embedding.loader import load_engine, open_checkpoint

LONG = "The class {} opens."


@pytest.fixture(scope="module")
def engine() -> Engine:
    settings = Settings()
    return load_engine(open_checkpoint(settings), settings)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("คุณสามารถคืนสินค้าได้ภายในสามสิบวัน", "กรุณาเปิดฝาเครื่องและกดปุ่มสีแดงค้างไว้"),
        ("a" * 60 + "0123456789abcdef" * 5, "f" * 60 + "fedcba9876543210" * 5),
        (LONG.format("VeryLong" * 16), LONG.format("OtherOne" * 16)),
        ("保証期間は二年です。", "機械の蓋を開けて赤いボタンを押してください。"),
        ("반품은 칠 일 안에 가능합니다.", "기계 뚜껑을 열고 빨간 버튼을 누르세요."),
        ("वारंटी दो साल की है।", "मशीन का ढक्कन खोलें और लाल बटन दबाएं।"),
    ],
)
def test_words_that_are_not_known_whole_have_vectors_of_their_own(
    engine: Engine, one: str, other: str
) -> None:
    vectors = [e.vector for e in engine.embed([Item(t, Task.PASSAGE) for t in (one, other)])]
    assert np.dot(*vectors) < 0.97


def test_unknown_characters_are_counted_one_by_one(engine: Engine) -> None:
    assert engine.count_unknown("Tea with milk, café, 2 × 3.") == 0
    assert engine.count_unknown("🔴🔴🔴 means stopped") == 3
    assert engine.count_tokens(Item("🔴" * 50, Task.PASSAGE)) >= 50


def test_known_words_are_cut_as_before(engine: Engine) -> None:
    starts = engine.token_starts("Restart the machine’s unbelievable pump")
    assert starts[0] == 0
    assert len(starts) >= 7
