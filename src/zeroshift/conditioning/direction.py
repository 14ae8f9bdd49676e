"""Edit directions: the mean difference of two sets of encoded sentences (pix2pix-zero, section 3.1)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from threading import Lock
from weakref import WeakKeyDictionary

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone, check_edits
from zeroshift.files import check_readable, write_safetensors
from zeroshift.sentences import contains_word, template_sentences

MOST = 64
"""mean embeddings that are kept of a model; the oldest goes first"""
_KEPT = Lock()
"""held where the means are looked up or kept, not while they are made"""
_MEANS: WeakKeyDictionary[Backbone, dict[tuple[str, int], Tensor]] = WeakKeyDictionary()
"""mean embeddings by model, and by sentences and thread count, which changes last bits"""


@dataclass(frozen=True, eq=False)
class Direction:
    """An edit direction and where it came from.

    Raises:
        ValueError: the values are no finite floats of (1, L, D).
    """

    delta: Tensor
    """target mean minus source mean, token position by token position, neither normalised nor pooled: (1, L, D)"""
    provenance: dict[str, str]
    """source and target names, sentence counts and hashes, model; empty where nothing is known"""

    def __post_init__(self) -> None:
        delta = self.delta
        if not (delta.ndim == 3 and len(delta) == 1 and delta.is_floating_point() and delta.isfinite().all()):
            raise ValueError(
                f"An edit direction is one finite vector per token, floats of (1, tokens, width), and this is "
                f"{str(delta.dtype).removeprefix('torch.')} of {tuple(delta.shape)}."
            )

    @property
    def name(self) -> str:
        """What it leads from and to, as in "from cat to dog"; empty where that is not known."""
        known = {"source", "target"} <= self.provenance.keys()
        return f"from {self.provenance['source']} to {self.provenance['target']}" if known else ""

    @property
    def sha256(self) -> str:
        """The hash of the values."""
        return hashlib.sha256(self.delta.contiguous().cpu().numpy().tobytes()).hexdigest()


def mean_embedding(backbone: Backbone, sentences: Sequence[str], batch: int = 64) -> Tensor:
    """The mean of the encoded sentences per position, (1, L, D) in float64 on the CPU."""
    batches = (sentences[first : first + batch] for first in range(0, len(sentences), batch))
    # to the CPU first: MPS has no float64
    sums = [backbone.embed(part).tokens.cpu().double().sum(0, keepdim=True) for part in batches]
    return torch.stack(sums).sum(0) / len(sentences)


def mean_of(backbone: Backbone, sentences: Sequence[str]) -> Tensor:
    """The mean embedding, kept as long as the model is loaded: further edits with a word encode nothing."""
    key = hash_of(sentences), torch.get_num_threads()
    with _KEPT:
        found = _MEANS.setdefault(backbone, {}).get(key)
    return _kept(backbone, key, mean_embedding(backbone, sentences)) if found is None else found


def _kept(backbone: Backbone, key: tuple[str, int], mean: Tensor) -> Tensor:
    with _KEPT:
        kept = _MEANS.setdefault(backbone, {})
        if len(kept) == MOST:
            kept.pop(next(iter(kept)))
        return kept.setdefault(key, mean)


def hash_of(sentences: Sequence[str]) -> str:
    """The hash of several sentences."""
    return hashlib.sha256("\n".join(sentences).encode()).hexdigest()


def make_direction(
    backbone: Backbone, source: Sequence[str], target: Sequence[str], names: tuple[str, str], origin: str
) -> Direction:
    """The direction from the sentences ``source`` to the sentences ``target``.

    Raises:
        Unsupported: the model only generates.
        ValueError: a set is empty.
    """
    check_edits(backbone.identity.name, backbone.edits)
    for name, sentences in zip(names, (source, target), strict=True):
        if not sentences:
            raise ValueError(f'There are no sentences for "{name}"; give at least one, better hundreds.')
    provenance = {
        "source": names[0],
        "target": names[1],
        "origin": origin,
        "source_sentences": str(len(source)),
        "target_sentences": str(len(target)),
        "sentences_sha256": hash_of([*source, "", *target]),
        "model": backbone.identity.name,
        "model_sha256": backbone.identity.sha256,
    }
    delta = mean_of(backbone, target) - mean_of(backbone, source)
    return Direction(delta.float(), provenance)


def direction_of_words(backbone: Backbone, source: str, target: str, count: int) -> Direction:
    """The direction between two words through the template bank, ``count`` sentences each."""
    banks = template_sentences(source, count), template_sentences(target, count)
    return make_direction(backbone, *banks, (source, target), "template bank")


def direction_of_prompts(backbone: Backbone, source: str, target: str) -> Direction:
    """The word-swap direction, one prompt each (the paper's baseline "word direction")."""
    return make_direction(backbone, [source], [target], (source, target), "prompts")


def save_direction(direction: Direction, path: Path) -> None:
    """Write ``path`` (.safetensors) with its provenance; nothing half-written remains.

    Raises:
        ValueError: the name has another extension, or the file cannot be written.
    """
    # one entry alone: safetensors writes several in no fixed order, and equal directions shall be equal files
    metadata = {"provenance": json.dumps(direction.provenance, sort_keys=True)}
    write_safetensors(path, to_bytes({"delta": direction.delta.contiguous()}, metadata), "Edit directions")


def load_direction(path: Path) -> Direction:
    """Read a saved direction.

    Raises:
        ValueError: the file is missing or is not an edit direction.
    """
    check_readable(path, f"There is no edit direction {path}; make one with: zeroshift direction make.")
    try:
        with safe_open(path, framework="pt") as file:
            delta, said = file.get_tensor("delta"), json.loads((file.metadata() or {})["provenance"])
        provenance = {str(name): str(value) for name, value in dict(said).items()}
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} is not an edit direction; make one with: zeroshift direction make.") from error
    try:
        direction = Direction(delta, provenance)
    except ValueError as error:
        raise ValueError(f"{path} is not an edit direction: {error}") from error
    if not delta.any():
        raise ValueError(f"The edit direction {path} is zero throughout and would change nothing; make it anew.")
    return direction


def as_direction(direction: Direction | str | PathLike[str] | None) -> Direction | None:
    """Read an edit direction where its file is given.

    Raises:
        ValueError: the file is missing or is not an edit direction.
    """
    return load_direction(Path(direction)) if isinstance(direction, (str, PathLike)) else direction


def check_direction(direction: Direction, tokens: Tensor) -> None:
    """Refuse a direction of another text encoder's shape.

    Raises:
        ValueError: the shapes differ.
    """
    if direction.delta.shape[1:] != tokens.shape[1:]:
        name = f" {direction.name}" if direction.name else ""
        raise ValueError(
            f"The edit direction{name} is {tuple(direction.delta.shape[1:])} and this model's prompts are "
            f"{tuple(tokens.shape[1:])} (tokens, width); make the direction with this model."
        )


def doubts(direction: Direction, backbone: Backbone, source: str | None, target: str) -> list[str]:
    """What to warn about where a direction is taken for an edit from ``source`` (None: not known) to ``target``."""
    found, known, name = direction.provenance, backbone.identity, direction.name
    asked = {key: text for key, text in (("source", source), ("target", target)) if text is not None}
    others = [text for key, text in asked.items() if name and not contains_word(text, found[key])]
    said = [f"The edit direction leads {name}, and asked for is {' to '.join(asked.values())}."] if others else []
    if found.get("model_sha256", known.sha256) != known.sha256:
        model = found.get("model", "another")
        said.append(
            f"The edit direction{f' {name}' if name else ''} was made with the model {model}, not {known.name}."
        )
    return said
