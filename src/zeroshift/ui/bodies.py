"""Bodies of requests that bring no file: what stands in them in the place of files, and how much they say."""

import json
import re
from collections.abc import Iterator
from typing import Any

from zeroshift.service.refusals import Refusal

MOST_VALUES = 200_000
"""of a body: a painted mask is one, and reading more would hold up all others"""
VALUES = (b",", b"[", b"{")
"""what stands before or between values"""
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]+:|[/\\]{2}", re.IGNORECASE)
"""a scheme of two letters or more (C: is a disk), or another machine's share"""


def check_values(body: bytes) -> None:
    """Refuse a body of many more values than a page has, before anybody reads it.

    Raises:
        Refusal: it has.
    """
    if sum(map(body.count, VALUES)) > MOST_VALUES:
        raise Refusal(413, "too_large", f"The request says more than {MOST_VALUES} things; bring less at a time.")


def names_elsewhere(body: bytes) -> bool:
    """Whether a body names an address in the place of a file."""
    return any(elsewhere(path) for path in paths_in(said(body)))


def elsewhere(path: str) -> bool:
    """Whether what stands in the place of a file is an address, spaces and slashes before it left aside."""
    bare = path.strip()
    return bool(_ELSEWHERE.match(bare) or _ELSEWHERE.match(bare.lstrip("/\\ \t\r\n")))


def said(body: bytes) -> Any:  # noqa: ANN401 - what JSON says
    """What a body says; nothing where it is no JSON, which Gradio refuses itself."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def paths_in(found: Any) -> Iterator[str]:  # noqa: ANN401 - what JSON says
    """Yield what stands in the place of files, however deep."""
    inner = [found]
    while inner:
        one = inner.pop()
        if isinstance(one, dict):
            yield from (one[name] for name in ("path", "url") if isinstance(one.get(name), str))
            inner += one.values()
        elif isinstance(one, list):
            inner += one
