"""From what generators return about two words to an edit direction."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from zeroshift.backbones.checkpoint import Device
from zeroshift.conditioning.direction import Direction, make_direction
from zeroshift.diffusion.backbone import Backbone
from zeroshift.generators.base import Remembered, Sentences
from zeroshift.generators.endpoint import Endpoint
from zeroshift.generators.sifting import Sifted, sift
from zeroshift.generators.templates import TemplateBank as Bank
from zeroshift.generators.text_file import TextFile


class GeneratedDirections:
    """Directions between words by a generator, each word asked about once and each direction made once."""

    def __init__(self, backbone: Backbone, generator: Sentences) -> None:
        self._backbone, self._generator, self._lock = backbone, Remembered(generator), Lock()
        self._made: dict[tuple[tuple[str, str], int], Direction] = {}

    def __call__(self, words: tuple[str, str], count: int) -> Direction:
        """The direction from a source word to a target word, by ``count`` sentences of each at most.

        Raises:
            StoppedShort: the generator failed on the way.
            ValueError: none of its sentences about a word can be used.
        """
        with self._lock:
            if (words, count) not in self._made:
                self._made[words, count] = direction_by(self._backbone, self._generator, words, count)
            return self._made[words, count]

    @property
    def returned(self) -> Mapping[str, Sequence[str]]:
        """All that the generator has returned about each word, what came before a failure too.

        The bank's and a file's lines are left out: they can be had again.
        """
        return {} if self._generator.name in (Bank.name, TextFile.name) else self._generator.returned

    def made(self) -> list[tuple[Direction, tuple[Sequence[str], Sequence[str]]]]:
        """Every direction that was made, with what the generator had returned about source and target."""
        with self._lock:
            return [
                (direction, (self._generator(source, count), self._generator(target, count)))
                for ((source, target), count), direction in self._made.items()
            ]


def direction_by(backbone: Backbone, generator: Sentences, words: tuple[str, str], count: int) -> Direction:
    """The direction between two words by a generator's sentences, ``count`` of each at most.

    Raises:
        StoppedShort: the generator failed on the way.
        ValueError: none of its sentences about a word can be used.
    """
    both, lines = (generator, generator), [generator(word, count) for word in words]
    sifted = sifted_lines(backbone, both, words, lines, count, chosen=generator.name == Bank.name)
    return direction_of_sifted(backbone, both, words, sifted, few(generator, words, sifted, count))


def sifted_lines(
    backbone: Backbone,
    generators: tuple[Sentences, Sentences],
    words: tuple[str, str],
    lines: Sequence[Sequence[str]],
    count: int,
    *,
    chosen: bool = False,
) -> list[Sifted]:
    """What is left of two generators' lines about source and target.

    Args:
        backbone: whose text encoder has to read all of a sentence.
        generators: what made the lines.
        words: source and target.
        lines: about each.
        count: sentences of each at most.
        chosen: whether somebody has chosen the lines, so that all of them are kept.

    Raises:
        ValueError: none of the lines about a word can be used.
    """

    def fits(said: str) -> bool:
        tokens = backbone.tokens(said)
        return tokens.used < len(tokens.ids)  # without padding left nobody can say that nothing was cut

    found = []
    for generator, word, said in zip(generators, words, lines, strict=True):
        found.append(Sifted(list(said), {}) if chosen else sift(said, word, fits, count))
        if not found[-1].sentences:
            raise ValueError(
                f'Of {len(said)} lines about "{word}" from {generator.name} none can be used{told(found[-1])}; try '
                "another generator, or give sentences of your own."
            )
    return found


def direction_of_sifted(
    backbone: Backbone,
    generators: tuple[Sentences, Sentences],
    words: tuple[str, str],
    sifted: Sequence[Sifted],
    doubts: Sequence[str] = (),
) -> Direction:
    """The direction between two words of what is left of two generators' lines, with how that came about.

    ``doubts`` stand in its provenance, so that edits along it have them, too.
    """
    source, target = (one.sentences for one in sifted)
    made = make_direction(backbone, source, target, words, generators[0].name)
    facts = {"doubts": " ".join(doubts)} if doubts else {}
    for role, generator, one in zip(("source", "target"), generators, sifted, strict=True):
        facts[f"{role}_generator"] = json.dumps(dict(generator.settings), sort_keys=True)
        if one.dropped:
            facts[f"{role}_dropped"] = told(one).strip(" ()")
    return Direction(made.delta, {**made.provenance, **facts}, made.pooled)


def few(generator: Sentences, words: tuple[str, str], sifted: Sequence[Sifted], count: int) -> list[str]:
    """What to warn about where a generator has made less than half of the ``count`` sentences asked for.

    A file has as many as it has: nothing is said of it.
    """
    if generator.name == TextFile.name:
        return []
    return [
        f'Of {count} sentences asked for about "{word}", {len(one.sentences)} can be used{told(one)}; take another '
        "generator, or ask for fewer."
        for word, one in zip(words, sifted, strict=True)
        if 2 * len(one.sentences) < count
    ]


def told(sifted: Sifted) -> str:
    """What was dropped, as in " (3 without the word, 1 a refusal)"; empty where nothing was."""
    said = ", ".join(f"{number} {rule}" for rule, number in sifted.dropped.items())
    return f" ({said})" if said else ""


def generator_of(
    text: str, *, seed: int = 0, device: Device = "auto", cache_dir: str | Path | None = None
) -> Sentences:
    """The generator that a text names: "bank", the address of an endpoint, a text file, or a language model.

    Args:
        text: "bank", an address that begins with http, the name of a .txt file, a folder or a hub id.
        seed: of the bank and of language models.
        device: where a language model runs; "auto" takes CUDA, else MPS, else the CPU.
        cache_dir: where a language model's download is kept.

    Raises:
        ValueError: it is none of these.
    """
    if text == "bank":
        return Bank(seed)
    if text.startswith(("http://", "https://")):
        return Endpoint(text)
    if text.endswith(".txt"):
        return TextFile(Path(text))
    from zeroshift.backbones.read import pick_device
    from zeroshift.generators.language_model import LanguageModel  # transformers takes seconds to import

    return LanguageModel(text, seed, device=pick_device(device).type, cache_dir=cache_dir)
