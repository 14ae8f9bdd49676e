"""Which tokens of a target prompt stand for which of the source's (Prompt-to-Prompt, arXiv:2208.01626, section 3).

The paper's "word swap" and "adding a new phrase" as their code has them: a target map is ``source @ matrix``, column by
column weighted by ``share``, plus the target's own with the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import punctuation
from typing import Literal

import torch
from torch import Tensor

from zeroshift.diffusion.backbone import Tokens

Mapper = Literal["fixed", "official"]
Span = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Alignment:
    """A target prompt's tokens in terms of the source's."""

    matrix: Tensor
    """how much of each source token (row) each target token (column) takes, (L, L)"""
    share: Tensor
    """1 for a target token that has a source, 0 for one that keeps its own map, (L,)"""


def same(word: str, other: str) -> bool:
    """Whether two words are the same but for case and the punctuation around them."""
    bare, other_bare = (w.strip(punctuation).casefold() or w for w in (word, other))
    return bare == other_bare


def stands_in(prompt: str, word: str) -> bool:
    """Whether ``prompt`` has the single word ``word``."""
    return any(same(word, other) for other in prompt.split())


def positions(tokens: Tokens, word: str) -> list[int]:
    """The positions of all tokens of ``word``, wherever it stands in the prompt."""
    return [at for other, span in zip(tokens.words, tokens.spans, strict=True) if same(word, other) for at in span]


def replacement(source: Tokens, target: Tokens, mapper: Mapper = "fixed") -> Alignment:
    """Align two prompts of equally many words, word by word.

    Of a word that changes its number of tokens every target token takes an equal part of every source token's map;
    what follows it is moved by the difference. Matrix rows sum to 1, so that maps still do: where the tokens behind
    the words are too few, the remaining columns share the last one, where too many, those left are added to the last
    column. ``official`` is the authors' code, which forgets the difference after the last changed word.

    Raises:
        ValueError: the prompts differ in their number of words.
    """
    check_counts(source.words, target.words)
    length, i, j = len(source.ids), 0, 0
    changed = _changed(source, target)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    while i < length and j < length:
        if changed and changed[0][0][0] == i:
            sources, targets = changed.pop(0)
            matrix[i : i + len(sources), j : j + len(targets)] = _block(len(sources), len(targets))
            i, j = i + len(sources), j + len(targets)
            continue
        matrix[j if mapper == "official" and not changed else i, j] = 1
        i, j = i + 1, j + 1
    if mapper == "fixed":
        matrix[i:, -1] = 1
        matrix[-1, j - 1 :] = 1 / (length - j + 1)
    return Alignment(matrix, torch.ones(length, dtype=torch.float64))


def check_counts(source: Sequence[str], target: Sequence[str]) -> None:
    """Refuse to replace word by word what differs in its number of words.

    Raises:
        ValueError: it does.
    """
    if len(source) != len(target):
        raise ValueError(
            f'Replacing needs prompts of equally many words, and "{" ".join(source)}" has {len(source)}, '
            f'"{" ".join(target)}" {len(target)}; take `edit` refine or auto, or other prompts.'
        )


def _changed(source: Tokens, target: Tokens) -> list[tuple[Span, Span]]:
    pairs = zip(source.words, target.words, source.spans, target.spans, strict=True)
    return [(s, t) for word, other, s, t in pairs if word != other and s and t]


def _block(rows: int, columns: int) -> Tensor:
    equal = torch.eye(rows, dtype=torch.float64)
    return equal if rows == columns else torch.full((rows, columns), 1 / columns, dtype=torch.float64)


def refinement(source: Tokens, target: Tokens) -> Alignment:
    """Align two prompts of any lengths by their tokens: those that both have, in order; padding stays in place."""
    length = len(target.ids)
    found = [*align(source.ids[: source.used], target.ids[: target.used]), *range(target.used, length)]
    matrix = torch.zeros(length, length, dtype=torch.float64)
    for j, i in enumerate(found):
        if i is not None:
            matrix[i, j] = 1
    return Alignment(matrix, torch.tensor([float(i is not None) for i in found], dtype=torch.float64))


def align(x: Sequence[int], y: Sequence[int]) -> list[int | None]:
    """For every item of ``y`` the index of its counterpart in ``x``, if it has one.

    Needleman and Wunsch (1970) with gap 0, match 1, mismatch -1; of equal scores the gap in ``x`` is preferred, then
    the gap in ``y``, then the pair.
    """
    scores = [[0] * (len(y) + 1) for _ in range(len(x) + 1)]
    moves = [["left"] * (len(y) + 1)] + [["up"] * (len(y) + 1) for _ in x]
    for i, a in enumerate(x, 1):
        for j, b in enumerate(y, 1):
            pair = scores[i - 1][j - 1] + (1 if a == b else -1)
            scores[i][j] = best = max(scores[i][j - 1], scores[i - 1][j], pair)
            moves[i][j] = "left" if best == scores[i][j - 1] else "up" if best == scores[i - 1][j] else "pair"
    found: list[int | None] = [None] * len(y)
    i, j = len(x), len(y)
    while j > 0:
        move = moves[i][j]
        if move == "pair":
            found[j - 1] = i - 1
        i, j = i - (move != "left"), j - (move != "up")
    return found
