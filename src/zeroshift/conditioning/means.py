"""The means of encoded sentences: kept while the model is loaded, and in a store from one process to the next."""

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol
from weakref import WeakKeyDictionary

import torch

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.machine import machine_of
from zeroshift.installed import version

_LIBRARIES = ("torch", "transformers", "tokenizers")
"""whose versions the bits of an encoded sentence depend on"""


@dataclass(frozen=True, eq=False)
class Moments:
    """What is kept of a set of encoded sentences: enough for its mean and its spread."""

    mean: Embedding
    """in float64 on the CPU: per position, (1, L, D), and of pooled vectors"""
    square: float
    """mean of the squared lengths of the sentences, all tokens of one as one vector"""


MOST = 64
"""sets of sentences whose moments are kept of a model in memory; the oldest goes first"""
_KEPT = Lock()
"""held where the means are looked up or kept, not while they are made"""
_MOMENTS: WeakKeyDictionary[Backbone, dict[tuple[str, int], Moments]] = WeakKeyDictionary()
"""moments by model, and by sentences and thread count, which changes last bits"""


def mean_embedding(backbone: Backbone, sentences: Sequence[str], batch: int = 64) -> Embedding:
    """The mean of the encoded sentences, in float64 on the CPU: per position, (1, L, D), and of pooled vectors."""
    return _last(moment_steps(backbone, sentences, batch)).mean


def moment_steps(backbone: Backbone, sentences: Sequence[str], batch: int = 64) -> Generator[int, None, Moments]:
    """Encode sentences batch by batch and sum them up; yield how many are encoded."""
    sums: list[Embedding] = []
    square, count = 0.0, len(sentences)
    for first in range(0, count, batch):
        prompts = backbone.embed(sentences[first : first + batch])
        sums.append(summed(prompts))
        square += float(prompts.tokens.cpu().double().square().sum())
        yield min(first + batch, count)
    pooled = [part.pooled for part in sums if part.pooled is not None]
    tokens = torch.stack([part.tokens for part in sums]).sum(0) / count
    return Moments(Embedding(tokens, pooled=torch.stack(pooled).sum(0) / count if pooled else None), square / count)


def encoding(backbone: Backbone, sets: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Encode sets of sentences whose means are not kept yet; yield how many sentences are done, of how many.

    ``mean_of`` each of them is there at once afterwards.
    """
    done, total = 0, sum(map(len, sets))
    for sentences in sets:
        yield from ((done + here, total) for here in kept_steps(backbone, sentences))
        done += len(sentences)


def summed(prompts: Embedding) -> Embedding:
    """The sum of encoded prompts, in float64 on the CPU."""
    # to the CPU first: MPS has no float64
    tokens, pooled = prompts.tokens.cpu().double().sum(0, keepdim=True), prompts.pooled
    return Embedding(tokens, pooled=None if pooled is None else pooled.cpu().double().sum(0, keepdim=True))


def mean_of(backbone: Backbone, sentences: Sequence[str]) -> Embedding:
    """The mean embedding, kept as long as the model is loaded: further edits with a word encode nothing."""
    return moments_of(backbone, sentences).mean


def moments_of(backbone: Backbone, sentences: Sequence[str]) -> Moments:
    """The moments, kept as ``mean_of`` keeps its mean."""
    return _last(kept_steps(backbone, sentences))


def kept_steps(backbone: Backbone, sentences: Sequence[str]) -> Generator[int, None, Moments]:
    """Find the moments that are kept, or make some that are kept from now on; yield how many are encoded."""
    key = hashlib.sha256(json.dumps(list(sentences)).encode()).hexdigest(), torch.get_num_threads()
    with _KEPT:
        found = _MOMENTS.setdefault(backbone, {}).get(key)
    if found is None:
        found = _kept(backbone, key, (yield from stored_steps(backbone, sentences)))
    return found


def stored_steps(backbone: Backbone, sentences: Sequence[str]) -> Generator[int, None, Moments]:
    """Read the moments that an earlier process has kept, or make some that are kept from now on."""
    store = _STORES.get(backbone)
    if store is None:
        return (yield from moment_steps(backbone, sentences))
    key = mean_key(backbone, sentences)
    moments = store.get(key)
    if moments is None:
        moments = yield from moment_steps(backbone, sentences)
        about = {"model": backbone.identity.name, "sentences": str(len(sentences)), "first": sentences[0]}
        store.put(key, moments, about)
    return moments


def _last(steps: Generator[int, None, Moments]) -> Moments:
    """What a generator returns, all steps taken."""
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            found: Moments = finished.value
            return found


def _kept(backbone: Backbone, key: tuple[str, int], moments: Moments) -> Moments:
    with _KEPT:
        kept = _MOMENTS.setdefault(backbone, {})
        if len(kept) == MOST:
            kept.pop(next(iter(kept)))
        return kept.setdefault(key, moments)


class MeanStore(Protocol):
    """Keeps moments by their ``mean_key``. Any thread may call any method at any time."""

    def get(self, key: str) -> Moments | None:
        """The moments of this key; None if they are not kept."""

    def put(self, key: str, moments: Moments, about: Mapping[str, str]) -> None:
        """Keep moments, or not: a store may forget whatever it likes. ``about`` says what they are of."""


_STORES: WeakKeyDictionary[Backbone, MeanStore] = WeakKeyDictionary()


def keep_means(backbone: Backbone, store: MeanStore) -> None:
    """Look means of this model up in ``store`` from now on, and keep new ones there."""
    _STORES[backbone] = store


def hash_of(sentences: Sequence[str]) -> str:
    """The hash of several sentences, as directions' provenance has it."""
    return hashlib.sha256("\n".join(sentences).encode()).hexdigest()


def mean_key(backbone: Backbone, sentences: Sequence[str]) -> str:
    """The hash of all that a mean's bits depend on: sentences, text encoders, tokenizers, versions, machine."""
    facts = {
        "kept": "moments",
        "sentences": list(sentences),
        "text_sha256": backbone.text_sha256,
        "model_sha256": backbone.identity.sha256,  # the other hash is blind to what half precision cannot tell
        "precision": backbone.precision,
        "threads": torch.get_num_threads(),
        "machine": f"{backbone.device.type} {machine_of(backbone.device)}",  # a home folder may be shared
        **{name: version(name) for name in _LIBRARIES},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
