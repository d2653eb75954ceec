"""Numbers of lists and headings as they are shown: letters, Roman numerals and other scripts."""

from collections.abc import Callable

_ROMAN = [
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l")),
    *((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
]
_CHINESE = "零一二三四五六七八九"
_RUSSIAN = "абвгдежзиклмнопрстуфхцчшщыэюя"
_HEBREW = "אבגדהוזחטיכלמנסעפצקרשת"
_AIUEO = (
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
)
_IROHA = (
    "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセス"
)
_HANGUL = "가나다라마바사아자차카타파하"
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_STEMS = "甲乙丙丁戊己庚辛壬癸"


def show_ordinal(number: int, kind: str) -> str:
    """Return a number in a format of Office Open XML (`w:numFmt`); decimal for an unknown one."""
    if number < 1 and kind not in {"decimal", "decimalZero"}:
        return "" if kind in {"none", "bullet"} else str(number)
    return _FORMATS.get(kind, str)(number)


def _repeat(letters: str) -> Callable[[int], str]:
    # After z comes aa, and after zz aaa.
    return lambda n: letters[(n - 1) % len(letters)] * min((n - 1) // len(letters) + 1, 50)


def _roman(number: int) -> str:
    if number > 5000:
        return str(number)
    shown = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        shown += letters * count
    return shown


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def _chinese(number: int) -> str:
    if number > 99:
        return "".join(_CHINESE[int(digit)] for digit in str(number))
    tens, ones = divmod(number, 10)
    head = ("" if tens == 1 else _CHINESE[tens]) + "十" if tens else ""
    return head + (_CHINESE[ones] if ones or not tens else "")


def _circled(number: int) -> str:
    return chr(0x2460 + number - 1) if number <= 20 else str(number)


_FORMATS: dict[str, Callable[[int], str]] = {
    "decimalZero": lambda n: f"{n:02d}",
    "lowerLetter": _repeat(_LATIN),
    "upperLetter": _repeat(_LATIN.upper()),
    "lowerRoman": _roman,
    "upperRoman": lambda n: _roman(n).upper(),
    "ordinal": _ordinal,
    "none": lambda _: "",
    "bullet": lambda _: "",
    "numberInDash": lambda n: f"- {n} -",
    "russianLower": _repeat(_RUSSIAN),
    "russianUpper": _repeat(_RUSSIAN.upper()),
    "hebrew2": _repeat(_HEBREW),
    "aiueo": _repeat(_AIUEO),
    "aiueoFullWidth": _repeat(_AIUEO),
    "iroha": _repeat(_IROHA),
    "irohaFullWidth": _repeat(_IROHA),
    "ganada": _repeat(_HANGUL),
    "ideographTraditional": _repeat(_STEMS),
    "decimalEnclosedCircle": _circled,
    "decimalEnclosedCircleChinese": _circled,
    "decimalFullWidth": lambda n: str(n).translate({48 + d: 0xFF10 + d for d in range(10)}),
    **dict.fromkeys(
        (
            *("chineseCounting", "chineseCountingThousand", "japaneseCounting", "koreanCounting"),
            *("taiwaneseCounting", "taiwaneseCountingThousand", "ideographDigital"),
            *("japaneseDigitalTenThousand", "koreanDigital", "taiwaneseDigital"),
        ),
        _chinese,
    ),
}
