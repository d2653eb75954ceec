"""Numbers of spreadsheets and charts as their number format shows them.

The format codes: ISO/IEC 29500-1, 18.8.30 and 18.8.31. What depends on the reader's machine (the
built-in short date) is written as ISO 8601 has it.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from locale import windows_locale
from math import isfinite
from typing import Literal

from babel import UnknownLocaleError
from babel.dates import get_day_names, get_month_names

GENERAL = "General"
_DATE, _DATE_AND_TIME = "yyyy-mm-dd", "yyyy-mm-dd hh:mm"
LOCAL_DATES = {
    **dict.fromkeys((14, *range(27, 32), 36, *range(50, 59)), _DATE),
    22: _DATE_AND_TIME,
}
"""Built-in formats of dates that each machine shows in its own way."""
BUILT_IN = {
    **LOCAL_DATES,
    **dict.fromkeys((5, 6), "$#,##0"),
    **dict.fromkeys((7, 8), "$#,##0.00"),
    **dict.fromkeys((37, 38), "#,##0;(#,##0)"),
    **dict.fromkeys((39, 40), "#,##0.00;(#,##0.00)"),
    **dict(enumerate((GENERAL, "0", "0.00", "#,##0", "#,##0.00"))),
    **dict(enumerate(("0%", "0.00%", "0.00E+00", "# ?/?", "# ??/??"), start=9)),
    **dict(enumerate(("d-mmm-yy", "d-mmm", "mmm-yy", "h:mm AM/PM", "h:mm:ss AM/PM"), start=15)),
    **dict(enumerate(("h:mm", "h:mm:ss"), start=20)),
    **dict(enumerate(("h:mm", "h:mm:ss", "h:mm", "h:mm:ss"), start=32)),
    **dict(enumerate(("#,##0;-#,##0;-", "$#,##0;-$#,##0;-"), start=41)),
    **dict(enumerate(("#,##0.00;-#,##0.00;-", "$#,##0.00;-$#,##0.00;-"), start=43)),
    **dict(enumerate(("mm:ss", "[h]:mm:ss", "mm:ss.0", "##0.0E+0", "@"), start=45)),
}
_ENGLISH = "en"
_PRELOADED = "ar cs da de el en es fi fr he hu it ja ko nb nl pl pt ro ru sk sv tr uk vi zh"
_DAY_NUMBERS = {"d", "dd", "D", "DD"}
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)'
    r"|\[(?P<bracket>[^\]]*)\]|(?P<meridiem>AM/PM|A/P)|(?P<general>General)"
    r"|(?P<exponent>E[+-])|(?P<date>y+|m+|d+|h+|s+(?:\.0+)?|e+|g+|b+)|(?P<digits>[0#?.,/]+)"
    r"|(?P<percent>%)|(?P<text>@)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?(?:\d+(?:\.\d*)?|\.\d+))")
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_MAX_CODE = 300
_NO_DIGIT = "\0"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Names:
    """What days and months are called."""

    language: str
    context: Literal["format", "stand-alone"]

    def month(self, moment: datetime, length: int) -> str:
        """Return the name for `mmm`, `mmmm` or `mmmmm`; "" for a shorter unit, a number."""
        if not 3 <= length <= 5:
            return ""
        names = get_month_names(_width_of(length), self.context, self.language)
        name: str = names[moment.month].removesuffix(".")
        return name[0] if length == 5 else name

    def day(self, moment: datetime, length: int) -> str:
        """Return the name for `ddd` or `dddd`; "" for a shorter unit."""
        if length < 3:
            return ""
        names = get_day_names(_width_of(length), self.context, self.language)
        name: str = names[moment.weekday()]
        return name.removesuffix(".")


def _width_of(length: int) -> Literal["abbreviated", "wide"]:
    return "abbreviated" if length == 3 else "wide"


def show_number(value: float, code: str, *, is_1904: bool = False) -> str:
    """Return a number as a cell with this number format shows it; dates count days from 1899-12-30.

    `is_1904` says that they count from 1904-01-01. A code that makes no sense shows the number.
    """
    section, is_absolute = _choose_section(value, code or GENERAL)
    shown = abs(value) if is_absolute else value
    try:
        return _show(shown, section, is_1904=is_1904).strip()
    except (ValueError, OverflowError, ArithmeticError, IndexError):
        return show_general(value)


def show_general(value: float) -> str:
    """Return a number without a format: as many digits as a spreadsheet keeps."""
    if not isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return format(value, ".15g").upper()


def show_words(words: str, code: str) -> str:
    """Return words as a cell with this number format shows them: by its last section, with an `@`.

    Of four sections the last one is that of words in any case.
    """
    sections = _split_sections(code)
    section = sections[min(len(sections) - 1, 3)]
    if "@" not in section:
        return words
    return "".join(words if t.kind == "text" else _literal(t) for t in _tokenize(section)).strip()


def is_date(code: str) -> bool:
    """Return whether a number format shows dates or times."""
    tokens = _tokenize(_split_sections(code)[0])
    return any(t.kind in {"date", "elapsed"} for t in tokens)


@lru_cache(maxsize=1024)
def _split_sections(code: str) -> tuple[str, ...]:
    sections, quoted, start, at = [], False, 0, 0
    code = code[:_MAX_CODE]
    while at < len(code):
        if code[at] == '"':
            quoted = not quoted
        elif code[at] == "\\" and not quoted:
            at += 1
        elif code[at] == ";" and not quoted:
            sections.append(code[start:at])
            start = at + 1
        at += 1
    return (*sections, code[start:])


def _choose_section(value: float, code: str) -> tuple[str, bool]:
    """Return the section that a value is shown by, and whether its sign is the section's matter."""
    sections = _split_sections(code)[:3]
    for number, section in enumerate(sections):
        condition = _CONDITION.search("".join(re.findall(r"\[([<>=][^\]]*)\]", section)))
        if condition and _meets(value, condition[1], float(condition[2])):
            return section, number > 0 and value < 0
    if any(re.search(r"\[[<>=]", section) for section in sections):
        rest = [s for s in sections if not re.search(r"\[[<>=]", s)]
        return (rest[-1] if rest else GENERAL), False
    if value < 0 and len(sections) > 1:
        return sections[1], True
    if value == 0 and len(sections) > 2:
        return sections[2], False
    return sections[0], False


def _meets(value: float, operator: str, limit: float) -> bool:
    return {
        "<": value < limit,
        ">": value > limit,
        "=": value == limit,
        "<=": value <= limit,
        ">=": value >= limit,
        "<>": value != limit,
    }[operator]


@lru_cache(maxsize=1024)
def _tokenize(section: str) -> tuple[_Token, ...]:
    tokens = []
    for match in _TOKEN.finditer(section):
        kind = match.lastgroup or "other"
        text = match[kind]
        if kind == "bracket":
            if _ELAPSED.fullmatch(text):
                tokens.append(_Token("elapsed", text.lower()))
            elif text.startswith("$"):
                # [$€-407]: a currency, and the language that days and months are named in.
                currency, _, language = text[1:].partition("-")
                tokens.append(_Token("quoted", currency))
                tokens.append(_Token("language", _find_language(language)))
        else:
            tokens.append(_Token(kind, text))
    return tuple(tokens)


def _find_language(code: str) -> str:
    """Return the language of a Windows code in hexadecimal digits, or of a tag: 407, de-DE."""
    try:
        name = windows_locale.get(int(code, 16) & 0xFFFF, _ENGLISH)
    except ValueError:
        name = code
    # For none babel would take the one of this machine.
    language = re.split("[-_]", name)[0].lower() or _ENGLISH
    try:
        get_month_names(locale=language)
    # Where no file can be opened, only what was preloaded is known.
    except (ValueError, UnknownLocaleError, OSError):
        return _ENGLISH
    return language


def preload_languages() -> None:
    """Read the names of months of many languages, for a process that can open no file later."""
    for language in _PRELOADED.split():
        get_month_names(locale=language)


def _literal(token: _Token) -> str:
    if token.kind in {"quoted", "escaped", "other"}:
        return token.text
    return " " if token.kind == "space" else ""


def _show(value: float, section: str, *, is_1904: bool) -> str:
    tokens = _tokenize(section)
    kinds = {token.kind for token in tokens}
    if kinds & {"date", "elapsed"}:
        return _show_date(value, tokens, is_1904=is_1904)
    if "general" in kinds:
        return "".join(show_general(value) if t.kind == "general" else _literal(t) for t in tokens)
    if "text" in kinds and "digits" not in kinds:
        return "".join(show_general(value) if t.kind == "text" else _literal(t) for t in tokens)
    return _show_digits(value, tokens)


def _show_digits(value: float, tokens: tuple[_Token, ...]) -> str:
    pattern = "".join(t.text for t in tokens if t.kind == "digits")
    if not pattern:
        return "".join("%" if t.kind == "percent" else _literal(t) for t in tokens)
    percent = sum(t.kind == "percent" for t in tokens)
    number = Decimal(repr(value)) * 100**percent
    if any(t.kind == "exponent" for t in tokens):
        return _show_scientific(number, tokens)
    if "/" in pattern:
        return _show_fraction(number, tokens)
    whole, _, decimals = pattern.partition(".")
    # Commas at the end of the digits scale by a thousand each.
    scale = len(whole) - len(whole.rstrip(",")) + len(decimals) - len(decimals.rstrip(","))
    number /= 1000**scale
    whole, decimals = whole.rstrip(","), decimals.replace(",", "")
    digits = _round(abs(number), whole, decimals)
    sign = "-" if number < 0 and re.search("[1-9]", digits) else ""
    return sign + _fill(digits, tokens, is_split=_is_split(tokens))


def _is_split(tokens: tuple[_Token, ...]) -> bool:
    """Return whether literals stand between digits, as in a telephone number: 000-0000."""
    at = [n for n, token in enumerate(tokens) if token.kind == "digits"]
    between = tokens[at[0] : at[-1]]
    return any(t.kind in {"quoted", "escaped", "other"} and t.text for t in between)


def _fill(digits: str, tokens: tuple[_Token, ...], *, is_split: bool) -> str:
    """Return the digits in their place among the literals."""
    places = len("".join(t.text for t in tokens if t.kind == "digits").partition(".")[0])
    # How many digits the format has no place for: they stand in the first place. Fewer than it has
    # places for leave the first ones empty.
    more = len(digits.partition(".")[0]) - places
    if is_split:
        digits = _NO_DIGIT * -more + digits
    written, parts = False, []
    for token in tokens:
        if token.kind != "digits":
            parts.append("%" if token.kind == "percent" else _literal(token))
        elif is_split:
            count = len(token.text) + (0 if written else max(0, more))
            parts.append(digits[:count].replace(_NO_DIGIT, ""))
            digits, written = digits[count:], True
        elif not written:
            parts.append(digits)
            written = True
    return "".join(parts)


def _round(number: Decimal, whole: str, decimals: str) -> str:
    places = len(decimals)
    rounded = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    integer, _, fraction = format(rounded, "f").partition(".")
    least = sum(character == "0" for character in whole)
    integer = integer.lstrip("0").rjust(least, "0")
    if "," in whole:
        integer = f"{int(integer or '0'):,}" if integer else ""
    kept = len(decimals.rstrip("#?"))
    fraction = fraction[:kept] + fraction[kept:].rstrip("0")
    return f"{integer}.{fraction}" if fraction else integer or ("" if decimals else "0" * least)


def _show_scientific(number: Decimal, tokens: tuple[_Token, ...]) -> str:
    at = next(n for n, t in enumerate(tokens) if t.kind == "exponent")
    whole, _, decimals = "".join(t.text for t in tokens[:at] if t.kind == "digits").partition(".")
    exponent = number.adjusted() if number else 0
    step = max(1, len(whole))
    exponent -= exponent % step
    digits = _round(abs(number).scaleb(-exponent), whole, decimals)
    if len(digits.partition(".")[0]) > step:
        # 9.999 is ten by now.
        exponent += step
        digits = _round(abs(number).scaleb(-exponent), whole, decimals)
    power = "".join(t.text for t in tokens[at + 1 :] if t.kind == "digits")
    sign = "-" if exponent < 0 else "+" if tokens[at].text.endswith("+") else ""
    shown = f"{digits}E{sign}{abs(exponent):0{len(power) or 1}d}"
    return f"{'-' if number < 0 else ''}{_put_between(shown, tokens)}"


def _show_fraction(number: Decimal, tokens: tuple[_Token, ...]) -> str:
    pattern = "".join(t.text for t in tokens if t.kind in {"digits", "other"})
    fixed = re.search(r"/\s*([1-9]\d*)", pattern)
    above, _, below = pattern.partition("/")
    has_whole = " " in above.strip()
    whole = int(abs(number)) if has_whole else 0
    rest = Fraction(abs(number)) - whole
    bottom = int(fixed[1]) if fixed else 10 ** max(1, len(re.findall(r"[#?0]", below))) - 1
    nearest = Fraction(round(rest * bottom), bottom) if fixed else rest.limit_denominator(bottom)
    top, under = (
        (round(rest * bottom), bottom) if fixed else (nearest.numerator, nearest.denominator)
    )
    if has_whole and top == under:
        whole, top = whole + 1, 0
    parts = [str(whole)] if has_whole and (whole or not top) else []
    parts += [f"{top}/{under}"] if top or not has_whole else []
    return ("-" if number < 0 and (whole or top) else "") + _put_between(" ".join(parts), tokens)


def _put_between(shown: str, tokens: tuple[_Token, ...]) -> str:
    """Return what the digits of a format show between the words before and after them."""
    at = [n for n, token in enumerate(tokens) if token.kind == "digits"]
    behind = at[-1] + 1
    # A denominator that the format fixes is no word: # ?/16.
    while behind < len(tokens) and tokens[behind].kind == "other" and tokens[behind].text.isdigit():
        behind += 1
    before, after = tokens[: at[0]], tokens[behind:]
    return f"{''.join(map(_literal, before))}{shown}{''.join(map(_literal, after))}"


def _show_date(value: float, tokens: tuple[_Token, ...], *, is_1904: bool) -> str:
    moment = _as_datetime(value, tokens, is_1904=is_1904)
    has_meridiem = any(t.kind == "meridiem" for t in tokens)
    language = next((t.text for t in tokens if t.kind == "language"), _ENGLISH)
    # "5 марта", but "март": beside a day some languages have another form.
    has_day = any(t.kind == "date" and t.text in _DAY_NUMBERS for t in tokens)
    names = _Names(language, "format" if has_day else "stand-alone")
    parts, last = [], ""
    for number, token in enumerate(tokens):
        if token.kind == "elapsed":
            parts.append(_show_elapsed(value, token.text))
        elif token.kind == "meridiem":
            half = "AM" if moment.hour < 12 else "PM"
            parts.append(half if "M" in token.text.upper() else half[0])
        elif token.kind == "date":
            is_minute = token.text[:1] in "mM" and (
                last in {"h", "H"} or _next_unit(tokens, number) in {"s", "S"}
            )
            parts.append(
                _show_unit(moment, token.text, names, is_minute=is_minute, is_half=has_meridiem)
            )
        elif token.kind == "digits":
            # Separators of dates are the same characters: 09/03/2026, 9.3.
            parts.append(token.text)
        else:
            parts.append(_literal(token))
        if token.kind in {"date", "elapsed"}:
            last = token.text[0]
    return "".join(parts)


def _next_unit(tokens: tuple[_Token, ...], at: int) -> str:
    return next((t.text[0] for t in tokens[at + 1 :] if t.kind in {"date", "elapsed"}), "")


def _as_datetime(value: float, tokens: tuple[_Token, ...], *, is_1904: bool) -> datetime:
    # 1900 counts as a leap year, so the days before its March are one too many.
    start = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30)  # noqa: DTZ001  # no zone
    days = value + 1 if 0 < value < 60 and not is_1904 and value >= 1 else value
    exact = any("." in t.text for t in tokens if t.kind == "date")
    seconds = round(days * 86400, 3) if exact else round(days * 86400)
    # Of a negative time only what has elapsed is shown, behind its sign.
    is_elapsed = any(token.kind == "elapsed" for token in tokens)
    return start + timedelta(seconds=abs(seconds) if is_elapsed else seconds)


def _show_elapsed(value: float, unit: str) -> str:
    seconds = round(value * 86400)
    count = int(abs(seconds) / {"h": 3600, "m": 60, "s": 1}[unit[0]])
    return ("-" if seconds < 0 else "") + str(count).rjust(len(unit), "0")


def _show_unit(
    moment: datetime, unit: str, names: _Names, *, is_minute: bool, is_half: bool
) -> str:
    kind, length = unit[0].lower(), len(unit)
    if is_minute:
        return f"{moment.minute:0{min(length, 2)}d}"
    match kind:
        case "y" | "e":
            return f"{moment.year:04d}" if length > 2 or kind == "e" else f"{moment.year % 100:02d}"
        case "m":
            return names.month(moment, length) or f"{moment.month:0{length}d}"
        case "d":
            return names.day(moment, length) or f"{moment.day:0{length}d}"
        case "h":
            hour = (moment.hour % 12 or 12) if is_half else moment.hour
            return f"{hour:0{min(length, 2)}d}"
        case "s":
            whole, _, decimals = unit.partition(".")
            tail = f".{moment.microsecond:06d}"[: len(decimals) + 1] if decimals else ""
            return f"{moment.second:0{min(len(whole), 2)}d}{tail}"
    return ""
