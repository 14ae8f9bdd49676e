"""Edit directions: the mean difference of two sets of encoded sentences (pix2pix-zero, section 3.1)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from zeroshift.conditioning.means import hash_of, mean_of
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.files import check_readable, regular, write_safetensors
from zeroshift.options.errors import given
from zeroshift.sentences import contains_word, template_sentences


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
    pooled: Tensor | None = None
    """the same of the pooled vectors, (1, P), for a model that takes one beside the tokens"""

    def __post_init__(self) -> None:
        delta, pooled = self.delta, self.pooled
        if not (delta.ndim == 3 and len(delta) == 1 and delta.is_floating_point() and delta.isfinite().all()):
            raise ValueError(
                f"An edit direction is one finite vector per token, floats of (1, tokens, width), and this is "
                f"{str(delta.dtype).removeprefix('torch.')} of {tuple(delta.shape)}."
            )
        if pooled is not None and not (
            pooled.ndim == 2 and len(pooled) == 1 and pooled.is_floating_point() and pooled.isfinite().all()
        ):
            raise ValueError(
                "An edit direction's pooled part is one finite vector, floats of (1, width), and this is "
                f"{str(pooled.dtype).removeprefix('torch.')} of {tuple(pooled.shape)}."
            )

    @property
    def embedding(self) -> Embedding:
        """What prompts are shifted by."""
        return Embedding(self.delta, pooled=self.pooled)

    @property
    def name(self) -> str:
        """What it leads from and to, as in "from cat to dog"; empty where that is not known."""
        known = {"source", "target"} <= self.provenance.keys()
        return f"from {self.provenance['source']} to {self.provenance['target']}" if known else ""

    @property
    def sha256(self) -> str:
        """The hash of the values."""
        parts = (self.delta,) if self.pooled is None else (self.delta, self.pooled)
        return hashlib.sha256(b"".join(x.contiguous().cpu().numpy().tobytes() for x in parts)).hexdigest()


def make_direction(
    backbone: Backbone, source: Sequence[str], target: Sequence[str], names: tuple[str, str], origin: str
) -> Direction:
    """The direction from the sentences ``source`` to the sentences ``target``.

    Raises:
        ValueError: a set is empty.
    """
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
        "text_sha256": backbone.text_sha256,
    }
    moved = mean_of(backbone, target).shift(mean_of(backbone, source), -1)
    return Direction(moved.tokens.float(), provenance, None if moved.pooled is None else moved.pooled.float())


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
    parts = {"delta": direction.delta, "pooled": direction.pooled}
    values = {name: x.contiguous() for name, x in parts.items() if x is not None}
    write_safetensors(path, to_bytes(values, metadata), "Edit directions")


def load_direction(path: Path) -> Direction:
    """Read a saved direction.

    Raises:
        ValueError: the file is missing or is not an edit direction.
    """
    check_readable(path, f"There is no edit direction {path}; make one with: zeroshift direction make.")
    try:
        with safe_open(regular(path), framework="pt") as file:
            delta, said = file.get_tensor("delta"), json.loads((file.metadata() or {})["provenance"])
            pooled = file.get_tensor("pooled") if "pooled" in file.keys() else None  # noqa: SIM118 - no iterator
        provenance = {str(name): str(value) for name, value in dict(said).items()}
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} is not an edit direction; make one with: zeroshift direction make.") from error
    try:
        direction = Direction(delta, provenance, pooled)
    except ValueError as error:
        raise ValueError(f"{path} is not an edit direction: {error}") from error
    check_moves(direction, f" {path}")
    return direction


def as_direction(direction: Direction | str | PathLike[str] | None) -> Direction | None:
    """Read an edit direction where its file is given.

    Raises:
        TypeError: it is neither an edit direction nor a name.
        ValueError: the file is missing or is not an edit direction.
    """
    if isinstance(direction, (str, PathLike)):
        return load_direction(Path(direction))
    if direction is not None and not isinstance(direction, Direction):
        raise TypeError(f"`direction` is an edit direction or the name of its file, not {given(direction)}.")
    return direction


def check_moves(direction: Direction, name: str) -> None:
    """Refuse a direction that leads nowhere; ``name``, with a blank before it, is what the sentence calls it.

    Raises:
        ValueError: it does.
    """
    if not direction.delta.any() and (direction.pooled is None or not direction.pooled.any()):
        raise ValueError(f"The edit direction{name} is zero throughout and would change nothing; make it anew.")


def check_direction(direction: Direction, prompt: Embedding) -> None:
    """Refuse a direction that has not the shapes of a model's prompts, or that leads nowhere.

    Raises:
        ValueError: the shapes differ, or it is zero throughout.
    """
    own, wanted = shapes_of(direction.embedding), shapes_of(prompt)
    if own != wanted:
        name = f" {direction.name}" if direction.name else ""
        raise ValueError(
            f"The edit direction{name} is {own} and this model's prompts are {wanted} (tokens, width); make the "
            "direction with this model."
        )
    check_moves(direction, f" {direction.name}" if direction.name else "")


def shapes_of(prompt: Embedding) -> str:
    """What one prompt is made of, as in "(77, 2048) with a pooled vector of 1280"."""
    pooled = "" if prompt.pooled is None else f" with a pooled vector of {prompt.pooled.shape[1]}"
    return f"{tuple(prompt.tokens.shape[1:])}{pooled}"


def doubts(direction: Direction, backbone: Backbone, source: str | None, target: str) -> list[str]:
    """What to warn about where a direction is taken for an edit from ``source`` (None: not known) to ``target``."""
    found, known, name = direction.provenance, backbone.identity, direction.name
    named = name and found.get("origin") != "sentences"  # those of a request's own sentences are nobody's names
    asked = {key: text for key, text in (("source", source), ("target", target)) if text is not None}
    parts = {key: found[key].split(", ") for key in asked if named}  # of a sum there are several
    others = [key for key, words in parts.items() if not all(contains_word(asked[key], word) for word in words)]
    said = [f"The edit direction leads {name}, and asked for is {' to '.join(asked.values())}."] if others else []
    said += [found["doubts"]] if "doubts" in found else []  # whoever made it had them
    if not same_encoder(found, backbone):
        model = found.get("model", "another")
        other = (
            f"another version of the model {model}" if model == known.name else f"the model {model}, not {known.name}"
        )
        said.append(f"The edit direction{f' {name}' if name else ''} was made with {other}.")
    return said


def same_encoder(provenance: Mapping[str, str], backbone: Backbone) -> bool:
    """Whether a direction may be of this model's text encoder: of this model, or of another one that has the same."""
    if provenance.get("model_sha256", backbone.identity.sha256) == backbone.identity.sha256:
        return True
    return provenance.get("text_sha256") == backbone.text_sha256
