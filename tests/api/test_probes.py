"""What open routes look up is looked up once for all who ask together."""

import asyncio
from itertools import count
from time import monotonic

import pytest

from app.api.probes import Shared
from app.errors import ModelUnavailable


def test_all_who_ask_while_one_is_made_share_the_next() -> None:
    async def ask() -> list[int]:
        begun, release, numbers = asyncio.Event(), asyncio.Event(), count()

        async def make() -> int:
            begun.set()
            await release.wait()
            return next(numbers)

        shared = Shared(make, 0.0)
        first = asyncio.create_task(shared.get())
        await begun.wait()
        # What was begun before they asked may be out of date.
        others = [asyncio.create_task(shared.get()) for _ in range(50)]
        await asyncio.sleep(0)
        release.set()
        return [await first, *[await each for each in others]]

    assert asyncio.run(ask()) == [0] + [1] * 50


def test_whoever_hangs_up_ends_it_for_no_other() -> None:
    async def ask() -> int:
        release = asyncio.Event()

        async def make() -> int:
            await release.wait()
            return 1

        shared = Shared(make, 0.0)
        leaving, staying = (asyncio.create_task(shared.get()) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        release.set()
        return await staying

    assert asyncio.run(ask()) == 1


def test_two_are_a_pause_apart() -> None:
    async def ask() -> list[int]:
        numbers = count()

        async def make() -> int:
            return next(numbers)

        shared = Shared(make, 0.1)
        return [await shared.get() for _ in range(4)]

    begun = monotonic()
    assert asyncio.run(ask()) == [0, 1, 2, 3]
    assert monotonic() - begun >= 0.3


def test_error_is_told_and_the_next_is_made_anew() -> None:
    async def ask() -> list[int | str]:
        problems: list[str] = ["the model is loading"]

        async def make() -> int:
            if problems:
                raise ModelUnavailable(problems.pop())
            return 1

        shared = Shared(make, 0.0)
        with pytest.raises(ModelUnavailable) as raised:
            await shared.get()
        return [str(raised.value), await shared.get()]

    assert asyncio.run(ask()) == ["the model is loading", 1]
