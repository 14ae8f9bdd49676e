"""Sentences from an endpoint that speaks OpenAI's chat protocol: pix2pix-zero's GPT-3 step, with any server."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zeroshift.generators.base import StoppedShort, asked
from zeroshift.generators.completion import said_in, tokens_of
from zeroshift.sentences import with_article

if TYPE_CHECKING:
    from httpx2 import Request
    from openai import APIResponse, OpenAI

KEY = "ZEROSHIFT_API_KEY"
"""environment variable of the key for any endpoint"""
OWN_KEY = "OPENAI_API_KEY"
"""environment variable of the key for OpenAI's own, which no other endpoint is shown"""
MOST_BYTES = 4 << 20
"""of one answer"""
HIDDEN = "[key]"
"""what stands where a server repeats the key"""


@dataclass
class Spent:
    """What a word has cost so far."""

    requests: int = 0
    tokens: int = 0

    def count(self, request: "Request") -> None:
        """Count a request for sentences that goes out."""
        self.requests += request.method == "POST"


@dataclass(frozen=True)
class Endpoint:
    """A server's chat completions; the key comes from the environment and is kept nowhere.

    Raises:
        ValueError: the address is none, or has a secret in it.
    """

    url: str
    """what comes before /chat/completions, as in https://api.openai.com/v1"""
    model: str | None = None
    """which of the server's models; by default the only one that it lists"""
    temperature: float = 1.0
    """of drawing, as pix2pix-zero asks GPT-3"""
    at_once: int = 50
    """sentences that one request asks for"""
    answer_tokens: int | None = None
    """of one answer at most, what a model thinks before it counted; by default 40 for each sentence"""
    most_requests: int = 60
    """for one word, those that are made again counted"""
    most_tokens: int = 200_000
    """for one word, requests and answers together"""
    timeout: float = 60.0
    """seconds within which an answer has to begin, else the request is made again, and then to be whole"""
    retries: int = 4
    """how often a request that failed is made again, with growing pauses, or as the server says (Retry-After)"""
    _spent: Spent = field(default_factory=Spent, init=False, repr=False, compare=False)
    _bare: list[bool] = field(default_factory=list, init=False, repr=False, compare=False)
    """not empty once a server refused limits and temperature, as those of models that reason do"""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{parts.hostname or 'That'} is no address; give one such as https://HOST/v1.")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(f"Give the address of {parts.hostname} alone; a key belongs in the variable {KEY}.")
        if self._key and parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(f"A key would go to {parts.hostname} in the clear; use https, or take {KEY} away.")

    @property
    def name(self) -> str:
        return f"endpoint {urlsplit(self.url).hostname}"

    @property
    def settings(self) -> Mapping[str, str]:
        return {
            "url": self.url,
            "model": self._model,
            "temperature": f"{self.temperature:g}",
            "answer_tokens": str(self._limit),
            "request": request("WORD", self.at_once),
        }

    def __call__(self, word: str, count: int) -> Sequence[str]:
        self._spent.requests = self._spent.tokens = 0
        return asked(self._answers, word, count, self.most_requests)

    @property
    def _key(self) -> str:
        host = urlsplit(self.url).hostname or ""
        own = os.environ.get(OWN_KEY, "") if host == "openai.com" or host.endswith(".openai.com") else ""
        return os.environ.get(KEY, "").strip() or own.strip()

    @property
    def _limit(self) -> int:
        """Tokens of one answer."""
        return 40 * self.at_once if self.answer_tokens is None else self.answer_tokens

    @cached_property
    def _client(self) -> "OpenAI":
        from openai import OpenAI

        from zeroshift.generators.punctual import PunctualClient

        key = self._key or "none"  # local servers take any
        if not key.isascii() or not key.isprintable():
            raise StoppedShort(f"The key for {self.name} has characters that no key has; set the variable {KEY} anew.")
        counted = {"request": [self._spent.count]}  # the client's own repetitions as well
        http = PunctualClient(self.timeout, event_hooks=counted, follow_redirects=False)
        return OpenAI(api_key=key, base_url=self.url, timeout=self.timeout, max_retries=self.retries, http_client=http)

    @cached_property
    def _model(self) -> str:
        if self.model is not None:
            return self.model
        with self._told():
            with self._client.models.with_streaming_response.list() as response:
                listed = [self._hidden(str.strip(one["id"])) for one in json.loads(self._read(response))["data"]]
        if len(listed) != 1:
            some = ", ".join(listed[:5]) or "none"
            raise ValueError(f"{self.name} lists {len(listed)} models ({some}); name one of them.")
        return listed[0]

    def _answers(self, word: str, number: int) -> list[str]:
        if self._spent.requests >= self.most_requests or self._spent.tokens >= self.most_tokens:
            return []
        model = self._model
        with self._told():
            done = json.loads(self._body(model, request(word, self.at_once)))
            answers = [said_in(choice) for choice in done["choices"]]
            self._spent.tokens += tokens_of(done.get("usage")) or self._limit
        return [self._hidden(line) for answer in answers for line in answer.splitlines() if line.strip()]

    def _body(self, model: str, content: str) -> bytes:
        """A whole answer; once more without limits and temperature where a server does not take these."""
        import openai

        limits: dict[str, Any] = {"temperature": self.temperature, "max_tokens": self._limit}
        asked = {"model": model, "messages": [{"role": "user", "content": content}]}
        try:
            return self._whole(asked if self._bare else asked | limits)
        except openai.BadRequestError:
            if self._bare or self._spent.requests >= self.most_requests:
                raise
            self._bare.append(True)
            return self._whole(asked)

    def _whole(self, asked: Mapping[str, Any]) -> bytes:
        left = self.most_requests - self._spent.requests
        client = self._client.with_options(max_retries=min(self.retries, left - 1))
        with client.chat.completions.with_streaming_response.create(**asked) as response:
            return self._read(response)

    def _read(self, response: "APIResponse[Any]") -> bytes:
        """All of an answer that has begun, if it is neither slow nor endless."""
        from zeroshift.generators.punctual import within

        try:
            return within(self.timeout, lambda: b"".join(self._bounded(response.iter_bytes())))
        except TimeoutError:
            raise StoppedShort(f"{self.name} was not done with its answer within {self.timeout:g} s.") from None

    def _bounded(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        size = 0
        for part in parts:
            size += len(part)
            if size > MOST_BYTES:
                raise StoppedShort(f"{self.name} answers with more than {MOST_BYTES >> 20} MB; check the address.")
            yield part

    def _hidden(self, text: str) -> str:
        return text.replace(self._key, HIDDEN) if self._key else text

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in one sentence what went wrong with a request; never in the server's words, which may hold the key."""
        import httpx2
        import openai

        try:
            yield
        except StoppedShort:
            raise
        except openai.APIStatusError as error:
            raise StoppedShort(f"{self.name} answered {error.status_code}, {advice(error.status_code)}.") from None
        except openai.APITimeoutError as error:
            times = 1 + int(error.request.headers.get("x-stainless-retry-count", "0"))
            raise StoppedShort(
                f"{self.name} did not answer within {self.timeout:g} s, {times} times; try again later, or give it "
                "more time."
            ) from None
        except httpx2.TimeoutException:  # in the middle of an answer, where the client does not ask again
            raise StoppedShort(f"{self.name} was not done with its answer within {self.timeout:g} s.") from None
        except openai.APIConnectionError:
            raise StoppedShort(f"{self.name} cannot be reached; check the address, and that it runs.") from None
        except httpx2.HTTPError:  # in the middle of an answer
            raise StoppedShort(f"{self.name} broke its answer off, or sent it damaged; try again later.") from None
        except (
            openai.OpenAIError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ):  # garbage, and what it leads to
            raise StoppedShort(
                f"{self.name} answered what is no chat completion; check that the address ends as in https://HOST/v1."
            ) from None


def request(word: str, count: int) -> str:
    """What is asked of it."""
    return (
        f"Write {count} different captions of pictures that show {with_article(word)}: varied in place, action, look, "
        f'light and length, 4 to 20 words each. Every caption has the word "{word}" in it. One caption per line, no '
        "numbering, nothing else."
    )


def advice(status: int) -> str:
    """What an HTTP status means here, and what to do."""
    if status in (401, 403):
        return f"so it wants another key; put it into the environment variable {KEY}"
    if 300 <= status < 400:
        return "so it has moved; give the address that it leads to"
    if status == 404:
        return "so there is no such address or model; check both"
    if status == 429:
        return "so it wants to be asked less often, or its quota is used up; try again later"
    return "an error of its own; try again later" if status >= 500 else "so it does not take such requests"
