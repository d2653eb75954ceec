"""Equations of office files as LaTeX: Office Math (OMML) and MathML, which OpenDocument uses.

The formats: ISO/IEC 29500-1, chapter 22.1, and W3C MathML 3.
"""

import re
import unicodedata
from collections.abc import Callable

from ingest.parsers.ooxml import Element, find, get, name_of


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_SYMBOLS = _pairs(
    """
    × times  ÷ div  ± pm  ∓ mp  · cdot  ⋅ cdot  ∙ cdot  ∞ infty  ∂ partial  ∇ nabla  √ surd
    ∝ propto  … ldots  ≤ leq  ≥ geq  ≠ neq  ≈ approx  ≡ equiv  ∼ sim  ≅ cong  ∈ in  ∉ notin
    ⊂ subset  ⊆ subseteq  ∪ cup  ∩ cap  ∅ emptyset  ∀ forall  ∃ exists  ¬ neg  ∧ wedge  ∨ vee
    → rightarrow  ← leftarrow  ↔ leftrightarrow  ⇒ Rightarrow  ⇔ Leftrightarrow  ↦ mapsto  ∑ sum
    ∏ prod  ∐ coprod  ∫ int  ∬ iint  ∭ iiint  ∮ oint  ∯ oiint  ∰ oiiint  ⋃ bigcup  ⋂ bigcap
    ⋀ bigwedge  ⋁ bigvee  ⊕ oplus  ⊗ otimes  ∘ circ  ⋯ cdots  ⋮ vdots  ⋱ ddots  ℝ mathbb{R}
    ℕ mathbb{N}  ℤ mathbb{Z}  ℚ mathbb{Q}  ℂ mathbb{C}  ℏ hbar  ℓ ell  ⟨ langle  ⟩ rangle
    〈 langle  〉 rangle  ‖ |  ′ prime  ϵ epsilon  ϕ phi  ϑ vartheta  ⊥ perp  ∥ parallel  ∠ angle
    """
)
# By code, since most of them combine with the character before.
_ACCENTS = {
    chr(int(code, 16)): name
    for code, name in _pairs(
        """
        302 hat  5e hat  303 tilde  7e tilde  304 bar  305 overline  af overline  203e overline
        307 dot  2d9 dot  308 ddot  a8 ddot  20d7 vec  2192 vec  301 acute  300 grave  306 breve
        30c check  23de overbrace  23df underbrace  5f underline  332 underline
        """
    ).items()
}
_FUNCTIONS = {
    *(
        "arccos",
        "arcsin",
        "arctan",
        "arg",
        "cos",
        "cosh",
        "cot",
        "coth",
        "csc",
        "deg",
        "det",
        "dim",
    ),
    *(
        "exp",
        "gcd",
        "hom",
        "inf",
        "ker",
        "lg",
        "lim",
        "liminf",
        "limsup",
        "ln",
        "log",
        "max",
        "min",
    ),
    *("Pr", "sec", "sin", "sinh", "sup", "tan", "tanh"),
}
_ESCAPED = {"%": r"\%", "#": r"\#", "&": r"\&", "$": r"\$", "{": r"\{", "}": r"\}", "_": r"\_"}
_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (FINAL )?(\w+)")
# Capitals that look like Latin ones have no command of their own.
_GREEK_CAPITALS = {
    *("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"),
}
_ROW_END = r" \\ "
_INVISIBLE = dict.fromkeys(map(ord, "\u2061\u2062\u2063\u2064\u200b\ufeff"))


def write_omml(element: Element) -> str:
    """Return Office Math (`m:oMath`, or whatever holds it) as LaTeX without delimiters."""
    return _tidy(_write_children(element))


def write_mathml(element: Element) -> str:
    """Return MathML as LaTeX without delimiters."""
    return _tidy(_write_node(element))


def _tidy(latex: str) -> str:
    return " ".join(latex.split())


def _write_text(text: str) -> str:
    text = text.translate(_INVISIBLE)
    return "".join(map(_write_character, unicodedata.normalize("NFC", text)))


def _escape(words: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in words)


def _write_character(character: str) -> str:
    if character in _SYMBOLS:
        return f"\\{_SYMBOLS[character]} "
    if character in _ESCAPED:
        return _ESCAPED[character]
    # Letters of mathematical alphabets are the letters themselves.
    plain = unicodedata.normalize("NFKC", character) if ord(character) > 0x1D3FF else character
    letter = _GREEK.fullmatch(unicodedata.name(plain, "")) if len(plain) == 1 else None
    if letter is None:
        return plain if character.isprintable() else " "
    name = letter[3].lower().replace("lamda", "lambda")
    name = name if letter[1] == "SMALL" else name.capitalize()
    return f"\\{name} " if letter[1] == "SMALL" or name in _GREEK_CAPITALS else plain


# Office Math


def _write_children(element: Element | None) -> str:
    return "" if element is None else "".join(map(_write_element, element))


def _write_element(element: Element) -> str:
    name = name_of(element)
    if name in {"m:r", "w:r", "a:r"}:
        return _write_run(element)
    if name in _WRITERS:
        return _WRITERS[name](element)
    # Properties hold no words, what was deleted is gone, and the rest is only around others.
    return "" if name.endswith("Pr") or name == "w:del" else _write_children(element)


def _part(element: Element, name: str) -> str:
    return _write_children(find(element, f"m:{name}")).strip()


def _write_run(run: Element) -> str:
    words = "".join(t.text or "" for t in run if name_of(t) in {"m:t", "w:t", "a:t"})
    is_text = find(run, "m:rPr/m:nor") is not None
    if is_text and words.strip() and words.strip() not in _FUNCTIONS:
        return f"\\text{{{_escape(words)}}}"
    return _write_text(words)


def _write_fraction(element: Element) -> str:
    top, bottom = _part(element, "num"), _part(element, "den")
    kind = get(find(element, "m:fPr/m:type"), "m:val", "bar")
    if kind == "noBar":
        return f"\\genfrac{{}}{{}}{{0pt}}{{}}{{{top}}}{{{bottom}}}"
    return f"{{{top}}}/{{{bottom}}}" if kind == "lin" else f"\\frac{{{top}}}{{{bottom}}}"


def _write_scripts(element: Element) -> str:
    low, high = _part(element, "sub"), _part(element, "sup")
    scripts = (f"_{{{low}}}" if low else "") + (f"^{{{high}}}" if high else "")
    base = _part(element, "e")
    if name_of(element) == "m:sPre":
        return f"{{}}{scripts}{base}"
    return f"{base}{scripts}"


def _write_root(element: Element) -> str:
    degree = _part(element, "deg")
    return f"\\sqrt{f'[{degree}]' if degree else ''}{{{_part(element, 'e')}}}"


def _write_large(element: Element) -> str:
    sign = get(find(element, "m:naryPr/m:chr"), "m:val") or "∫"
    low, high = _part(element, "sub"), _part(element, "sup")
    scripts = (f"_{{{low}}}" if low else "") + (f"^{{{high}}}" if high else "")
    return f"{_write_text(sign).strip()}{scripts} {_part(element, 'e')}"


def _write_delimited(element: Element) -> str:
    properties = find(element, "m:dPr")
    opening = get(find(properties, "m:begChr"), "m:val", "(")
    closing = get(find(properties, "m:endChr"), "m:val", ")")
    separator = get(find(properties, "m:sepChr"), "m:val", "|")
    inner = _write_text(separator).join(
        _write_children(part).strip() for part in element if name_of(part) == "m:e"
    )
    left, right = _write_text(opening).strip() or ".", _write_text(closing).strip() or "."
    return f"\\left{left} {inner} \\right{right} "


def _write_function(element: Element) -> str:
    name, words = _part(element, "fName"), _part(element, "e")
    plain = re.match(r"[A-Za-z]+", name)
    if plain and plain[0] in _FUNCTIONS:
        name = f"\\{name}"
    elif plain and plain[0] == name:
        name = f"\\operatorname{{{name}}}"
    return f"{name} {words}" if words[:1].isalnum() else f"{name}{words}"


def _write_limit(element: Element) -> str:
    mark = "_" if name_of(element) == "m:limLow" else "^"
    return f"{_part(element, 'e')}{mark}{{{_part(element, 'lim')}}}"


def _write_accent(element: Element) -> str:
    properties = find(element, f"{name_of(element)}Pr")
    default = {"m:acc": "\u0302", "m:groupChr": "⏟", "m:bar": "\u0305"}[name_of(element)]
    sign = get(find(properties, "m:chr"), "m:val", default)
    if name_of(element) == "m:bar" and get(find(properties, "m:pos"), "m:val", "bot") == "bot":
        sign = "\u0332"
    words = _part(element, "e")
    return f"\\{_ACCENTS[sign]}{{{words}}}" if sign in _ACCENTS else f"{words}{_write_text(sign)}"


def _write_matrix(element: Element) -> str:
    rows = (
        " & ".join(_write_children(cell).strip() for cell in row if name_of(cell) == "m:e")
        for row in element
        if name_of(row) == "m:mr"
    )
    return f"\\begin{{matrix}} {_ROW_END.join(rows)} \\end{{matrix}}"


def _write_array(element: Element) -> str:
    lines = (_write_children(line).strip() for line in element if name_of(line) == "m:e")
    # In them & says what stands one below the other, as in LaTeX.
    aligned = _ROW_END.join(lines).replace(_ESCAPED["&"], "&")
    return f"\\begin{{aligned}} {aligned} \\end{{aligned}}"


def _write_phantom(element: Element) -> str:
    shown = get(find(element, "m:phantPr/m:show"), "m:val", "1")
    return "" if shown in {"0", "off", "false"} else _part(element, "e")


_WRITERS: dict[str, Callable[[Element], str]] = {
    "m:f": _write_fraction,
    **dict.fromkeys(("m:sSup", "m:sSub", "m:sSubSup", "m:sPre"), _write_scripts),
    "m:rad": _write_root,
    "m:nary": _write_large,
    "m:d": _write_delimited,
    "m:func": _write_function,
    **dict.fromkeys(("m:limLow", "m:limUpp"), _write_limit),
    **dict.fromkeys(("m:acc", "m:bar", "m:groupChr"), _write_accent),
    "m:m": _write_matrix,
    "m:eqArr": _write_array,
    "m:phant": _write_phantom,
}


# MathML


def _write_node(element: Element) -> str:
    name = name_of(element).partition(":")[2]
    children = [child for child in element if isinstance(child.tag, str)]
    words = _write_text(" ".join((element.text or "").split()))
    if name in {"mi", "mn", "mo"}:
        return f"\\{words} " if words in _FUNCTIONS else words
    if name in {"mtext", "ms"}:
        return f"\\text{{{words}}}" if words else ""
    if name in {"annotation", "annotation-xml", "mphantom"}:
        return ""
    if name == "mtable":
        return f"\\begin{{matrix}} {_ROW_END.join(map(_write_row, children))} \\end{{matrix}}"
    if name == "mfenced":
        inner = ",".join(map(_write_node, children))
        return f"{element.get('open', '(')}{inner}{element.get('close', ')')}"
    parts = [_write_node(child).strip() for child in children]
    if name in {"mover", "munder"} and len(children) == 2:
        sign = "".join(map(str, children[1].itertext())).strip()
        if sign in _ACCENTS:
            return f"\\{_ACCENTS[sign]}{{{parts[0]}}}"
    if name == "msqrt":
        return f"\\sqrt{{{' '.join(parts)}}}"
    if name in _LAYOUTS and len(parts) >= len(re.findall(r"\{\d\}", _LAYOUTS[name])):
        return _LAYOUTS[name].format(*parts)
    return " ".join(parts)


_LAYOUTS = {
    "mfrac": r"\frac{{{0}}}{{{1}}}",
    "mroot": r"\sqrt[{1}]{{{0}}}",
    "msup": r"{0}^{{{1}}}",
    "msub": r"{0}_{{{1}}}",
    "msubsup": r"{0}_{{{1}}}^{{{2}}}",
    "mover": r"{0}^{{{1}}}",
    "munder": r"{0}_{{{1}}}",
    "munderover": r"{0}_{{{1}}}^{{{2}}}",
}


def _write_row(row: Element) -> str:
    return " & ".join(_write_node(cell).strip() for cell in row if isinstance(cell.tag, str))
