"""What a turn of a conversation may ask for, read from the text: no language model is needed.

docs/decisions/0050-a-turn-with-the-one-before.md has what it brings; turns.py says whether the
turn before belongs to it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from app.index.folding import clean

_MAX_CARRIED = 400
"""Characters of an earlier turn that are carried over; a last turn that is longer stands alone."""
_MAX_SMALL_WORDS = 7

# Greetings, thanks, farewells and acknowledgements. A turn of nothing else asks for nothing;
# without one of them "what is it for" would be small talk.
_GREETINGS = (
    "hello hi hey howdy morning afternoon evening thanks thank thx ty tysm cheers great perfect "
    "nice cool awesome excellent wonderful fine ok okay k alright got understood see sure yes "
    "yeah yep no nope bye goodbye later lol haha hehe wow welcome appreciate appreciated helped "
    "helpful danke dankeschön dank hallo guten tschüss wiedersehen super prima klar ja nein "
    "geholfen merci bonjour bonsoir salut revoir accord parfait oui non gracias hola buenos "
    "buenas adiós luego vale perfecto sí grazie ciao buongiorno buonasera arrivederci perfetto "
    "obrigado obrigada olá oi bom boa tchau bedankt hoi goedemorgen ziens tack hej tak takk "
    "dzięki dziękuję cześć спасибо привет здравствуйте пока хорошо да нет 谢谢 谢谢你 你好 再见 "
    "好的 ありがとう "
    "ありがとうございます こんにちは さようなら 감사합니다 안녕하세요 شكرا "
    "مرحبا धन्यवाद नमस्ते teşekkürler merhaba "
)
# What stands beside them.
_FILLERS = (
    "good night day there all everyone folks you so very much a lot many again for your the "
    "help it that this was is has right i sounds soon take care have one please makes sense how "
    "are doing going s up what bot vielen schön sehr gut morgen tag abend nacht auf bis später "
    "alles das hat mir wie geht es dir beaucoup au d ça va bien muchas días tardes noches hasta "
    "qué tal mille bene muito dia tarde noite tudo bem je wel u tot dag большое "
)
_TELLING = frozenset(_GREETINGS.split())
_SMALL_WORDS = _TELLING.union(_FILLERS.split())
# A short turn with one of these, or that begins as if it went on, means nothing by itself. In a
# longer one they may stand for something in it: "it leaks when I turn it on".
_REFERRING = (
    "it its they them their theirs this that these those he she him his her hers there "
    "es ihn ihm damit dafür davon dazu daran dabei ça cela celui celle eso esto ello ciò questo "
    "quello isso isto dat"
)
_GOING_ON = "and but or so then und aber oder et mais pero ma mas maar"
_REFERRING_WORDS, _FIRST_WORDS = frozenset(_REFERRING.split()), frozenset(_GOING_ON.split())
_MAX_REFERRING_WORDS = 6
# One of these and a word more ask for something about what was said: "why?", "how often?".
_ASKING = (
    "why how when where who which warum wieso wie wann wo wer pourquoi comment quand où combien "
    "cómo cuándo cuánto dónde perché come quando quanto dove como onde waarom hoe wanneer"
)
_ASKING_WORDS, _MAX_ASKING_WORDS = frozenset(_ASKING.split()), 2
# What is left of a word behind its hyphen would be one that no article is to hold.
_PART_OF_WORD = re.compile(r"^(?:\S{0,40}\s|\S\W*)")
# With the marks of a script that writes its vowels with them.
_WORD = regex.compile(r"[\p{L}\p{M}]+")
_ABOUT_THE_BOT = re.compile(
    r"(how are you( all)?( doing)?|how( is|'?s) it going|what'?s up|who are you|what are you|"
    r"are you (a|an) (bot|robot|ai|human|real person|chatbot)|what can you do|what is your name|"
    r"what'?s your name|can i (talk|speak) to (a|an) (human|person|agent)|"
    r"wie geht( es|'?s)( dir| ihnen)?|wer bist du|"
    r"comment ça va|qui es-tu|¿?qué tal|¿?quién eres)( today| so far)?",
    re.IGNORECASE,
)
_ASKED = re.compile(r"\b(what|how|wie|comment|qué)\b.*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of a conversation, in OpenAI's shape."""

    role: str
    content: str


def find_before(query: str, messages: Sequence[Message]) -> str | None:
    """Return what may be carried over to a turn: the user's turn before it, unless it is long."""
    before = _find_before(query, messages)
    if before is None or len(query) > _MAX_CARRIED:
        return None
    # PostgreSQL stores none: the query log could not be written.
    return _cut(before).replace("\x00", " ")


def weigh(query: str, interpreted: str) -> str:
    """Return the text to search for: what was carried over counts half as much as the turn."""
    return query if interpreted == query else f"{interpreted} {query}"


def refers(query: str) -> bool:
    """Return whether a turn says by its words that it goes on with what was said before."""
    words = _list_words(query)
    if not words or len(words) > _MAX_REFERRING_WORDS:
        return False
    if len(words) <= _MAX_ASKING_WORDS and words[0] in _ASKING_WORDS:
        return True
    return words[0] in _FIRST_WORDS or not _REFERRING_WORDS.isdisjoint(words)


def is_small_talk(text: str) -> bool:
    """Return whether a turn only greets, thanks, agrees or asks about the bot."""
    bare = text.replace("’", "'").strip(" \t\r\n.!?¡¿…,;:'\"")
    if _ABOUT_THE_BOT.fullmatch(bare):
        return True
    words = _list_words(text)
    if not words or any(map(str.isdigit, text)):
        return not any(map(str.isalnum, text))
    if len(words) > _MAX_SMALL_WORDS or not _TELLING.intersection(words):
        return False
    # "Ok, what is it for?" asks, though of such words alone.
    asked = _ASKED.search(bare)
    return _SMALL_WORDS.issuperset(words) and (
        asked is None or "?" not in text or _ABOUT_THE_BOT.fullmatch(asked[0]) is not None
    )


def _cut(text: str) -> str:
    """Return the end of a text, from the beginning of a word on where words have spaces."""
    if len(text) <= _MAX_CARRIED:
        return text
    return _PART_OF_WORD.sub("", text[-_MAX_CARRIED - 1 :], count=1)


def _list_words(text: str) -> list[str]:
    words: list[str] = _WORD.findall(clean(text))
    return [word.casefold() for word in words]


def _find_before(query: str, messages: Sequence[Message]) -> str | None:
    """Return the last turn of the user before this one that asks for something."""
    asked = [one.content.strip() for one in messages if one.role == "user"]
    if asked and asked[-1] == query.strip():
        asked.pop()
    return next((text for text in reversed(asked) if text and not is_small_talk(text)), None)
