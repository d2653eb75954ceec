"""Front matter: what stands as YAML or TOML before a text, and attributes in general.

YAML is taken by the core schema of YAML 1.2, and what would not be written again as it was written
stays text: `NO`, `01234`, `1.10` and `12:30` are words, numbers of articles, versions and times.
"""

import re
import tomllib
from datetime import date, time
from typing import Any

import yaml

from app.domain import AttributeValue, Scalar

_BLOCK = re.compile(
    r"\A\s*(?P<mark>---|\+\+\+)[ \t]*\n(?P<content>.*?)^(?P=mark)[ \t]*(?:\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)$")
_FRACTION = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+$|-?\.(?:inf|nan)$")
_MAX_EXACT = 2**53
# But for tabs and line ends.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class InvalidFrontMatter(ValueError):
    """What stands between the marks is not what they promise."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema; an alias may repeat a scalar, so nothing unfolds."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # the library's own form

    def compose_node(self, parent: Any, index: Any) -> Any:
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if is_alias and not isinstance(node, yaml.ScalarNode):
            raise InvalidFrontMatter("an alias repeats a collection")
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        values = super().construct_mapping(node, deep=deep)
        if len(values) < len(node.value):
            raise InvalidFrontMatter("a key stands twice")
        return values


def _construct_number(loader: _Loader, node: yaml.ScalarNode) -> Any:
    number = yaml.SafeLoader.construct_yaml_float(loader, node)
    return number if repr(number) == node.value or number - number != 0 else node.value


def _construct_integer(loader: _Loader, node: yaml.ScalarNode) -> Any:
    number = int(node.value[:20])
    return number if abs(number) <= _MAX_EXACT else float("inf")


for _tag, _pattern, _first in (
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("null", re.compile(r"(?:null|Null|NULL|~|)$"), "nN~\0"),
    ("int", _INTEGER, "-0123456789"),
    ("float", _FRACTION, "-0123456789."),
):
    for _letter in _first:
        _Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", _pattern, ["" if _letter == "\0" else _letter]
        )
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_number)


def split_front_matter(source: str) -> tuple[dict[str, Any], str]:
    """Return the values of the front matter and the text after it; without any, ({}, source).

    Raises InvalidFrontMatter.
    """
    block = _BLOCK.match(source)
    if block is None:
        return {}, source
    try:
        if block["mark"] == "+++":
            values = tomllib.loads(block["content"])
        else:
            values = yaml.load(block["content"], Loader=_Loader)  # noqa: S506  # a SafeLoader
    # A tag that its value is not of meets the library with an error of any kind.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise InvalidFrontMatter(str(type(error).__name__)) from error
    if not isinstance(values, dict) or not values:
        # Rules around a paragraph look like front matter; what they hold stays.
        return {}, source
    return values, source[block.end() :].lstrip("\n")


def flatten_attributes(
    metadata: Any, prefix: str = ""
) -> tuple[dict[str, AttributeValue], list[str]]:
    """Return attributes with dotted names, and the keys that hold nothing an attribute can."""
    attributes: dict[str, AttributeValue] = {}
    dropped: list[str] = []
    for key, value in metadata.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            inner, inner_dropped = flatten_attributes(value, f"{name}.")
            attributes |= inner
            dropped += inner_dropped
            continue
        scalars = [_as_scalar(v) for v in (value if isinstance(value, list) else [value])]
        usable = [scalar for scalar in scalars if scalar is not None]
        if not usable or len(usable) < len(scalars):
            dropped.append(name)
        else:
            attributes[name] = usable if isinstance(value, list) else usable[0]
    return attributes, dropped


def _as_scalar(value: Any) -> Scalar | None:
    match value:
        case bool():
            return value
        case int() | float():
            # Beyond 2^53 a number is not the same in JSON and in a filter.
            return value if abs(value) <= _MAX_EXACT else None
        case date() | time():
            return value.isoformat()
        case str():
            return None if _CONTROL.search(value) else value
    return None
