"""A conversation in OpenAI's shape."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from app.api.v1.fields import Body
from app.services.search.conversation import Message


class MessageIn(Body):
    """One turn of a conversation."""

    role: Literal["user", "assistant", "system", "developer", "tool"]
    """Who said it."""
    content: Annotated[str, Field(max_length=32_768)] | None = None
    """What was said; null where a turn only calls tools."""


Messages = Annotated[list[MessageIn], Field(max_length=200)]


def read_messages(messages: Sequence[MessageIn]) -> tuple[Message, ...]:
    """Return the turns as the use cases take them."""
    return tuple(Message(one.role, one.content or "") for one in messages)
