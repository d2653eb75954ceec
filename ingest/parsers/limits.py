"""What a file may say of its article: no more than the JSON of a request may."""

from dataclasses import replace

from app.domain import (
    MAX_ATTRIBUTES,
    MAX_KEY_LENGTH,
    MAX_URL_LENGTH,
    MAX_VALUE_LENGTH,
    MAX_VALUES,
    Article,
    AttributeValue,
    is_link,
    is_surrogate,
)

_NAMED = 5


def limit_article(article: Article) -> Article:
    """Return the article without attributes and a URL past the limits; warnings name them."""
    attributes = article.attributes or {}
    kept = {key: value for key, value in attributes.items() if _can_be_kept(key, value)}
    kept = dict(list(kept.items())[:MAX_ATTRIBUTES])
    dropped = [
        key[:MAX_KEY_LENGTH].encode("utf-8", "replace").decode()
        for key in attributes
        if key not in kept
    ]
    warnings = article.warnings
    if dropped:
        more = f" and {len(dropped) - _NAMED} more" if len(dropped) > _NAMED else ""
        warnings += (f"attributes past the limits left out: {', '.join(dropped[:_NAMED])}{more}",)
    url = article.url
    if url is not None and (len(url) > MAX_URL_LENGTH or not is_link(url)):
        url = None
        warnings += ("the URL is not a link by http, https or mailto: left out",)
    return replace(
        article,
        url=url,
        attributes=kept if article.attributes is not None else None,
        warnings=warnings,
    )


def _can_be_kept(key: str, value: AttributeValue) -> bool:
    values = value if isinstance(value, list | tuple) else [value]
    texts = [v for v in values if isinstance(v, str)]
    return (
        0 < len(key) <= MAX_KEY_LENGTH
        and 0 < len(values) <= MAX_VALUES
        and all(len(text) <= MAX_VALUE_LENGTH for text in texts)
        and not any(is_surrogate(character) for text in (key, *texts) for character in text)
    )
