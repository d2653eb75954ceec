"""Roles and directives that docutils does not know, as Sphinx and its extensions add them.

What they mean is not known here either: a role stands for its text, a directive for its argument,
the options that hold text, and its body, which is read as text where it is not code. The notation:
https://www.sphinx-doc.org/en/master/usage/restructuredtext/roles.html
"""

import re
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives, roles

# Directives whose body is written in another notation than the text around it.
_CODE = re.compile(
    "code|console|doctest|test|prompt|ipython|jupyter|execute|output|graph|diag|mermaid|uml|math|"
    "literal|productionlist|tikz|svg|raw|json|yaml|command"
)
# Directives of docutils to which Sphinx and its extensions gave options that hold no text.
_WIDENED = frozenset(
    {
        "code",
        "code-block",
        "sourcecode",
        "image",
        "figure",
        "list-table",
        "csv-table",
        "table",
        "math",
    }
)
_TEXT_OPTIONS = ("title", "subtitle", "caption", "synopsis", "deprecated")
# `title <target>`; what stands without a space before it is a part of a name, as in `FLAGS_<LANG>`.
_TARGETED = re.compile(r"(?s)(.+?)\s+<[^<>]*>$")


class _AnyOption(dict[str, Callable[[str], Any]]):
    """Takes every option as it is written."""

    def __bool__(self) -> bool:
        return True

    def __missing__(self, name: str) -> Callable[[str], Any]:
        return directives.unchanged


class _Unknown(Directive):
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[Any] = _AnyOption()

    def run(self) -> list[nodes.Node]:
        container = nodes.container()
        if self.arguments:
            # A signature, a tab's title, the version in which something changed.
            first, *others = map(str.strip, self.arguments[0].splitlines())
            container += [_say(self, line) for line in (f"{self.name}: {first}", *others)]
        container += _say_options(self, frozenset())
        body = "\n".join(self.content)
        if _CODE.search(self.name.lower()):
            container += [nodes.literal_block(body, body)] if body else []
        elif self.name.lower() == "toctree":
            container += [_say(self, line) for line in filter(str.strip, self.content)]
        elif self.content:
            self.state.nested_parse(self.content, self.content_offset, container)
        return container.children


def _widen(found: Any) -> Any:
    """Return a directive of docutils that takes other options too."""
    known = frozenset(found.option_spec)

    class Wide(found):  # type: ignore[misc]  # a class that is looked up by its name
        option_spec: ClassVar[Any] = _AnyOption(found.option_spec)

        def run(self) -> list[nodes.Node]:
            return [*_say_options(self, known), *super().run()]

    return Wide


def _say_options(directive: Directive, known: Set[str]) -> list[nodes.Node]:
    """Return what the options say that are text and not `known`."""
    texts = (directive.options.get(name) for name in _TEXT_OPTIONS if name not in known)
    return [_say(directive, text) for text in texts if text]


def _say(directive: Directive, text: str) -> nodes.Node:
    parsed, _ = directive.state.inline_text(text, directive.lineno)
    return nodes.paragraph(text, "", *parsed)


def _read_role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, *_: Any, **__: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    plain = nodes.unescape(text)
    targeted = _TARGETED.match(plain)
    if targeted is not None:
        plain = targeted[1]
    elif plain.startswith("~"):
        plain = plain.rpartition(".")[2].removeprefix("~")
    plain = plain.removeprefix("!")
    return [nodes.inline(rawtext, plain)], []


@contextmanager
def reading_unknown(noted: set[str]) -> Iterator[None]:
    """Have docutils read what it does not know while the block runs, and note the names.

    It looks names up in two functions of its modules, which Sphinx replaces in the same way.
    """
    # Any: theirs have types that nobody could write down anew.
    of_directives: Any = directives
    of_roles: Any = roles
    find_directive, find_role = of_directives.directive, of_roles.role

    def directive(name: str, language: Any, document: Any) -> Any:
        found, messages = find_directive(name, language, document)
        if found is None:
            noted.add(name)
            found = _Unknown
        elif name in _WIDENED:
            found = _widen(found)
        return found, messages

    def role(name: str, language: Any, lineno: int, reporter: Any) -> Any:
        found, messages = find_role(name, language, lineno, reporter)
        if found is None:
            noted.add(name)
            of_roles.set_implicit_options(_read_role)
            found = _read_role
        return found, messages

    of_directives.directive, of_roles.role = directive, role
    try:
        yield
    finally:
        of_directives.directive, of_roles.role = find_directive, find_role
