"""How good an edit direction is: how far its two sets of sentences lie apart, and how far they are spread."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from torch import Tensor

from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.means import Moments, moments_of
from zeroshift.diffusion.backbone import Backbone

LOOKED_AT = 100
"""sentences of each set whose words are looked at"""
SHARE = 0.1
"""of the length of an encoded sentence that a direction has at least; with the first shipped model "photo" to "picture"
had 0.02, "cat" to "dog" 0.44"""
WEAK = 5.0
"""times chance that it is long at least: two halves of one word's sentences were 0.4 times chance apart"""


@dataclass(frozen=True)
class Quality:
    """Two sets of sentences as the text encoder sees them, all tokens of a sentence as one vector."""

    distance: float
    """from mean to mean: the direction's length"""
    spread: float
    """of the sentences around the mean of their set, root mean square; 0 of a single sentence"""
    chance: float
    """distance that the means of two such sets of one and the same word have by chance"""
    sentence: float
    """length of an encoded sentence, root mean square"""
    in_pieces: float
    """share of the different words that the tokenizer knows in pieces only"""

    @property
    def weak(self) -> bool:
        """Whether the direction is so short that an edit would show little, or hardly longer than chance makes it."""
        return self.distance < max(SHARE * self.sentence, WEAK * self.chance)


def quality_of(backbone: Backbone, source: Sequence[str], target: Sequence[str]) -> Quality:
    """Measure two sets of sentences that a direction is made of; what was encoded for that is not encoded again."""
    sets = [(moments_of(backbone, sentences), len(sentences)) for sentences in (source, target)]
    spread = (sum(_variance(moments, count) for moments, count in sets) / 2) ** 0.5
    chance = spread * sum(1 / count for _, count in sets) ** 0.5
    length = (sum(moments.square * count for moments, count in sets) / sum(count for _, count in sets)) ** 0.5
    distance = float((sets[1][0].mean.tokens - sets[0][0].mean.tokens).norm())
    return Quality(distance, spread, chance, length, in_pieces(backbone, [*source[:LOOKED_AT], *target[:LOOKED_AT]]))


def _variance(moments: Moments, count: int) -> float:
    """The mean squared distance of ``count`` sentences from their mean, unbiased; 0 of one."""
    around = moments.square - float(moments.mean.tokens.square().sum())
    return max(around, 0.0) * count / (count - 1) if count > 1 else 0.0


def in_pieces(backbone: Backbone, sentences: Sequence[str]) -> float:
    """Share of the different words of sentences that the tokenizer knows in pieces only; punctuation plays no part."""
    words = {word.strip(".,;:!?\"'()").casefold() for sentence in sentences for word in sentence.split()} - {""}
    return sum(len(span) > 1 for word in words for span in backbone.tokens(word).spans[:1]) / max(len(words), 1)


def with_quality(direction: Direction, quality: Quality) -> Direction:
    """Write a direction's quality into its provenance."""
    facts = {name: round(value, 4) for name, value in asdict(quality).items()}
    return Direction(direction.delta, {**direction.provenance, "quality": json.dumps(facts)}, direction.pooled)


def doubts_about(direction: Direction, quality: Quality) -> list[str]:
    """What to warn about."""
    name = f" {direction.name}" if direction.name else ""
    if not quality.weak:
        return []
    return [
        f"The edit direction{name} is {quality.distance:.3g} long, {quality.distance / quality.sentence:.0%} of an "
        f"encoded sentence, and chance alone makes {quality.chance:.3g}: it is too weak to edit with; take words that "
        "differ more, or more sentences."
    ]


def norms(direction: Direction) -> Tensor:
    """The length of a direction at each token position, (L,)."""
    lengths: Tensor = direction.delta[0].double().norm(dim=-1)
    return lengths
