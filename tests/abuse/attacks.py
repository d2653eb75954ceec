"""What one key, or nobody at all, does at its worst: a function an attack, in a process apart.

The numbers are those of the faults that were first seen this way.
"""

import os
import random
import re
import socket
import string
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import Process
from multiprocessing.connection import Connection
from selectors import EVENT_READ, DefaultSelector
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeAlias, cast
from urllib.parse import urlsplit

import httpx

COLLECTION = "/v1/collections/theirs"
_AT_ONCE = 16
_TIMEOUT_S = 30.0
# Not the one from which the other key asks.
_ADDRESS = "127.0.0.2"
_MAX_SOCKETS = 400
_STREAMS = 200
_FLOOD_SOCKETS = 64
_OPEN_PATHS = ("/healthz", "/readyz", "/metrics")

Call: TypeAlias = Callable[[httpx.Client, int], httpx.Response]
"""Sends the N-th request of an attack."""


@dataclass(frozen=True, slots=True)
class Target:
    """A service, and the key that an attacker has to it."""

    url: str
    token: str
    seconds: float

    def open_client(self, *, with_key: bool = True) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"} if with_key else {}
        transport = httpx.HTTPTransport(local_address=_ADDRESS)
        return httpx.Client(
            base_url=self.url, headers=headers, timeout=_TIMEOUT_S, transport=transport
        )


class Attack(NamedTuple):
    """Something that is done until the seconds are over."""

    run: Callable[[Target], Counter[str]]
    """Returns how often each status, or error, was the answer."""
    answer: str
    """The answer without which it did not reach what it attacks."""


def repeat(target: Target, call: Call, *, with_key: bool = True) -> Counter[str]:
    """Send one request after another over so many connections at once."""
    numbers = count()

    def run(http: httpx.Client, ends_at: float) -> Counter[str]:
        seen: Counter[str] = Counter()
        while monotonic() < ends_at:
            try:
                answer = call(http, next(numbers))
            except httpx.TransportError as error:
                seen[type(error).__name__] += 1
                continue
            seen[str(answer.status_code)] += 1
            if answer.status_code == 429:
                # As often as it is told that it may; a loop would only busy the attacker.
                sleep(0.05)
        return seen

    with (
        target.open_client(with_key=with_key) as http,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        ends_at = monotonic() + target.seconds
        return sum(
            (each.result() for each in [pool.submit(run, http, ends_at) for _ in range(_AT_ONCE)]),
            Counter[str](),
        )


def _post_text(http: httpx.Client, path: str, body: str) -> httpx.Response:
    return http.post(path, content=body, headers={"Content-Type": "application/json"})


def send_unknown_fields(target: Target) -> Counter[str]:
    """1: search bodies of .93 MB whose every field is an error."""
    body = "{" + ",".join(f'"f{n}": 1' for n in range(80_000)) + "}"
    return repeat(target, lambda http, _: _post_text(http, f"{COLLECTION}/search", body))


def send_wrong_numbers(target: Target) -> Counter[str]:
    """1: preflights of 1 MB with a number in place of each id."""
    zeros = ",".join(["0"] * 500_000)
    query = f'{{"query": "tea", "relevant": [{zeros}]}}'
    body = f'{{"id": "a", "data": "VGVh", "queries": [{query}]}}'
    return repeat(target, lambda http, _: _post_text(http, f"{COLLECTION}/preflight", body))


def invent_methods(target: Target) -> Counter[str]:
    """2: methods that do not exist, without a key."""
    return repeat(
        target, lambda http, number: http.request(f"M{number}", "/healthz"), with_key=False
    )


def flood_health(target: Target) -> Counter[str]:
    """2: the routes that are open to all, without a key, as fast as they answer."""
    requests = [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in _OPEN_PATHS]
    seen: Counter[str] = Counter()
    ends_at = monotonic() + target.seconds
    with ExitStack() as stack, DefaultSelector() as selector:
        for number in range(_FLOOD_SOCKETS):
            request = requests[number % len(requests)]
            selector.register(stack.enter_context(_connect(target, request)), EVENT_READ, request)
        while monotonic() < ends_at:
            for key, _ in selector.select(timeout=0.1):
                opened = cast(socket.socket, key.fileobj)
                received = opened.recv(2**16)
                if not received:
                    selector.unregister(opened)
                    seen["closed"] += 1
                answers = re.findall(rb"HTTP/1.1 (\d+)", received)
                opened.sendall(key.data * len(answers))
                seen.update(status.decode() for status in answers)
    return seen


def send_forms(target: Target) -> Counter[str]:
    """2: forms of 1 MB to the pages, without a key, in which every character is encoded."""
    body = b"csrf=" + b"%41" * 349_000
    paths = ("/admin/collections", "/admin/sign-in")

    def call(http: httpx.Client, number: int) -> httpx.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return http.post(paths[number % 2], content=body, headers=headers)

    return repeat(target, call, with_key=False)


def _make_words(number: int, size: int) -> str:
    """Return so many characters of words, each of them new."""
    randomness, words, left = random.Random(number), [], size
    while left > 0:
        word = "".join(randomness.choices(string.ascii_lowercase, k=randomness.randint(4, 9)))
        words.append(word)
        left -= len(word) + 1
    return " ".join(words)[:size]


def ask_long_questions(target: Target) -> Counter[str]:
    """4: questions of 32 KB of distinct words."""
    return repeat(
        target,
        lambda http, number: http.post(
            f"{COLLECTION}/search",
            json={"query": _make_words(number, 32_000), "mode": "lexical", "limit": 100},
        ),
    )


def ask_odd_questions(target: Target) -> Counter[str]:
    """4: questions of 32 KB whose shape once took a time quadratic in their length."""
    shapes = ("a" * 32_000, "„" * 10_000, '"of tea" ' * 3_500, "-tea " * 6_000, "§" * 16_000)

    def call(http: httpx.Client, number: int) -> httpx.Response:
        text = f"{number} {shapes[number % len(shapes)]}"
        return http.post(f"{COLLECTION}/search", json={"query": text, "mode": "lexical"})

    return repeat(target, call)


def embed_as_queries(target: Target) -> Counter[str]:
    """4: embedding calls that claim to be questions."""

    def call(http: httpx.Client, number: int) -> httpx.Response:
        texts = [_make_words(number * 64 + n, 2000) for n in range(64)]
        return http.post("/v1/embeddings", json={"input": texts, "task": "retrieval.query"})

    return repeat(target, call)


def rerank(target: Target) -> Counter[str]:
    """4: reranking of a hundred texts, nearly as many tokens as one call may have."""

    def call(http: httpx.Client, number: int) -> httpx.Response:
        texts = [_make_words(number * 100 + n, 500) for n in range(100)]
        return http.post("/v1/rerank", json={"query": "tea", "documents": texts})

    return repeat(target, call)


def ask_without_spaces(target: Target) -> Counter[str]:
    """5: questions of 32 KB without a space, each its own, which caches would keep."""

    def call(http: httpx.Client, number: int) -> httpx.Response:
        text = "".join(chr(0x4E00 + (number * 97 + n * 31) % 20_000) for n in range(10_000))
        return http.post(f"{COLLECTION}/search", json={"query": text, "mode": "lexical"})

    return repeat(target, call)


def _upload(http: httpx.Client, number: int, data: bytes, media_type: str) -> httpx.Response:
    path = f"{COLLECTION}/documents/bad{number}"
    answer = http.put(path, content=data, headers={"Content-Type": media_type})
    # A few wait in the queue at any time: as many as there may be would only fill the disk.
    sleep(0.2)
    return answer


def unfold_front_matter(target: Target) -> Counter[str]:
    """6: front matter whose aliases would unfold to 10^9 values."""
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    text = "\n".join(["---", "a0: &a0 [tea]", *levels, "---", "Tea."])
    return repeat(
        target, lambda http, number: _upload(http, number, text.encode(), "text/markdown")
    )


def make_slow_file() -> bytes:
    """Return 581 bytes of reStructuredText that stand for 10^8 words."""
    levels = [f".. |a{n}| replace:: " + " ".join([f"|a{n - 1}|"] * 10) for n in range(1, 9)]
    return "\n".join(["Tea\n===\n\n|a8|\n", ".. |a0| replace:: tea", *levels]).encode() + b"\n"


def parse_slow_files(target: Target) -> Counter[str]:
    """7: small files that take all the time that parsing may."""
    slow = make_slow_file()
    return repeat(target, lambda http, number: _upload(http, number, slow, "text/x-rst"))


def upload_large_texts(target: Target) -> Counter[str]:
    """7: texts of 8 MB, each its own."""

    def call(http: httpx.Client, number: int) -> httpx.Response:
        text = f"{number} " + "Steep the tea well, and pour it into a warm cup. " * 160_000
        return _upload(http, number, text.encode(), "text/plain")

    return repeat(target, call)


def upload_wide_rows(target: Target) -> Counter[str]:
    """7: tables of two rows of 200,000 columns."""
    rows = [",".join(f"{name}{n % 97}" for n in range(200_000)) for name in ("c", "")]
    table = "\n".join(rows)
    return repeat(
        target,
        lambda http, number: _upload(http, number, f"{number}{table}".encode(), "text/csv"),
    )


def upload_articles(target: Target) -> Counter[str]:
    """7: ordinary articles, as fast as they are taken."""
    return repeat(
        target,
        lambda http, number: http.put(
            f"{COLLECTION}/documents/a{number}", json={"text": _make_words(number, 4000)}
        ),
    )


def _connect(target: Target, begun: bytes) -> socket.socket:
    address = urlsplit(target.url)
    opened = socket.create_connection(
        (address.hostname, address.port), timeout=_TIMEOUT_S, source_address=(_ADDRESS, 0)
    )
    opened.sendall(begun)
    return opened


def leave_half_open(target: Target, begun: bytes) -> Counter[str]:
    """8: connections that never say what they want, without a key; a closed one is opened anew."""
    seen: Counter[str] = Counter()
    ends_at = monotonic() + target.seconds
    with ExitStack() as stack:
        opened: list[socket.socket] = []
        while monotonic() < ends_at:
            try:
                if len(opened) < _MAX_SOCKETS:
                    opened.append(stack.enter_context(_connect(target, begun)))
                    seen["opened"] += 1
                else:
                    opened = list(_still_open(opened))
                    sleep(0.05)
            except OSError as error:
                seen[type(error).__name__] += 1
                sleep(0.05)
    return seen


def _still_open(sockets: list[socket.socket]) -> Iterator[socket.socket]:
    for each in sockets:
        try:
            each.setblocking(False)
            if each.recv(4096, socket.MSG_PEEK) == b"":
                each.close()
                continue
            each.close()
        except BlockingIOError:
            yield each
        except OSError:
            each.close()


def trickle_bodies(target: Target) -> Counter[str]:
    """13: uploads that send one byte and then wait."""
    head = (
        f"PUT {COLLECTION}/documents/slow HTTP/1.1\r\nHost: a\r\n"
        f"Authorization: Bearer {target.token}\r\nContent-Type: text/plain\r\n"
        "Content-Length: 60000000\r\n\r\nT"
    )
    return leave_half_open(target, head.encode())


def follow_events(target: Target) -> Counter[str]:
    """200 event streams of jobs that take their time."""
    seen: Counter[str] = Counter()
    with target.open_client() as http:
        job = _upload(http, 0, make_slow_file(), "text/x-rst").json()["job_id"]
        for number in range(1, 20):
            job = _upload(http, number, make_slow_file(), "text/x-rst").json()["job_id"]
    head = (
        f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: a\r\n"
        f"Authorization: Bearer {target.token}\r\n\r\n"
    )
    ends_at = monotonic() + target.seconds
    with ExitStack() as stack:
        for _ in range(_STREAMS):
            stack.enter_context(_connect(target, head.encode()))
            seen["opened"] += 1
        sleep(max(0.0, ends_at - monotonic()))
    return seen


def compute_elsewhere(target: Target) -> Counter[str]:
    """No attack: two busy processes, which tell the service's fault from a busy machine."""
    ends_at = monotonic() + target.seconds
    processes = [Process(target=_compute, args=(ends_at,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return Counter(computed=len(processes))


def _compute(ends_at: float) -> None:
    while monotonic() < ends_at:
        sum(range(1000))


ATTACKS: dict[str, Attack] = {
    "0 busy processes": Attack(compute_elsewhere, "computed"),
    "1 unknown fields": Attack(send_unknown_fields, "422"),
    "1 wrong numbers": Attack(send_wrong_numbers, "422"),
    "2 invented methods": Attack(invent_methods, "405"),
    "2 health routes": Attack(flood_health, "200"),
    "2 encoded forms": Attack(send_forms, "403"),
    "4 long questions": Attack(ask_long_questions, "200"),
    "4 odd questions": Attack(ask_odd_questions, "200"),
    "4 embeddings as queries": Attack(embed_as_queries, "200"),
    "4 reranking": Attack(rerank, "200"),
    "5 questions without spaces": Attack(ask_without_spaces, "200"),
    "6 front matter": Attack(unfold_front_matter, "202"),
    "7 slow files": Attack(parse_slow_files, "202"),
    "7 large texts": Attack(upload_large_texts, "202"),
    "7 wide rows": Attack(upload_wide_rows, "202"),
    "7 articles": Attack(upload_articles, "202"),
    "8 half-sent headers": Attack(
        partial(leave_half_open, begun=b"GET / HTTP/1.1\r\nHost: a\r\n"), "opened"
    ),
    "13 trickled bodies": Attack(trickle_bodies, "opened"),
    "200 event streams": Attack(follow_events, "opened"),
}


def attack_forked(name: str, target: Target, answers: Connection) -> None:
    """Run an attack in this process, and send what came of it."""
    # An attacker's own work is not what is measured; it comes from another machine.
    attack = ATTACKS[name]
    if attack.run is not compute_elsewhere:
        os.nice(10)
    seen: Any = attack.run(target)
    answers.send(dict(seen))
