"""Where sentences end, in every script."""

import pytest

from app.index.sentences import ends_sentence, split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["One.", '"Two?"', "Three, and 3.14."],
        ["„Ja.“", "Er ging."],
        ["今天天气很好。", "我们去公园！？", "“真的吗？”", "他问。", "（完。）", "好吗?", "好"],
        ["「水です。」", "「本当に？」と言った。", "３．１４は円周率です。", "終わり！！"],
        ["यह पहला है।", "यह दूसरा है॥", "तीसरा"],
        ["هل هذا صحيح؟", "نعم."],
        ["یہ پہلا ہے۔", "یہ دوسرا ہے۔"],
        ["ပထမ ဖြစ်သည်။", "ဒုတိယ ဖြစ်သည်။"],
        ["Սա առաջինն է։", "Սա երկրորդն է։"],
        ["เปิดเมื่อ พ.ศ. 2549 ใน จ. เชียงใหม่"],
    ],
)
@pytest.mark.parametrize("space", [" ", "\n"])
def test_sentences_are_told_apart(sentences: list[str], space: str) -> None:
    assert split_sentences(space.join(sentences)) == sentences


def test_ideographs_need_no_space_between_sentences() -> None:
    assert split_sentences("一。二！？三") == ["一。", "二！？", "三"]


def test_number_of_an_item_stays_with_what_it_numbers() -> None:
    items = ["1. Fill the tank.", "It holds 2.", "- 10. Press both.", "> 3. Rinse, in 2024."]
    assert split_sentences("\n".join(items)) == items
    assert split_sentences("1. Fill it. It holds 2. Rinse it.") == [
        "1. Fill it.",
        "It holds 2.",
        "Rinse it.",
    ]


@pytest.mark.parametrize("text", ["One.", "One.”", "好。」", "ठीक है। ", "هل؟", "so…"])
def test_text_that_ends_as_a_sentence_does(text: str) -> None:
    assert ends_sentence(text)


@pytest.mark.parametrize("text", ["Contents", "目次", "one:", "", "3.14"])
def test_text_that_does_not(text: str) -> None:
    assert not ends_sentence(text)
