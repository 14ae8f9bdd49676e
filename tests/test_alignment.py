"""Alignments of prompts, against tables worked out by hand."""

import pytest
import torch

from zeroshift.control.alignment import align, positions, refinement, replacement
from zeroshift.diffusion.backbone import Tokens

PAD = 9


def prompt(*words: tuple[int, ...], length: int = 7, text: str = "") -> Tokens:
    """Return a prompt whose words have the given token ids; begin is 0, end and padding are 9."""
    spans, at = [], 1
    for word in words:
        spans.append(tuple(range(at, at + len(word))))
        at += len(word)
    ids = (0, *(token for word in words for token in word))
    names = text.split() or ["-".join(map(str, word)) for word in words]
    return Tokens(ids + (PAD,) * (length - len(ids)), len(ids) + 1, tuple(names), tuple(spans))


def table(*columns: dict[int, float]) -> list[list[float]]:
    """Return the matrix whose column j takes {source token: part}."""
    return [[column.get(i, 0.0) for column in columns] for i in range(len(columns))]


SHORT, LONG = prompt((1,), (2,), (3,)), prompt((1,), (4, 5), (3,))
"""begin 1 2 3 end pad pad, and begin 1 4 5 3 end pad"""


def test_a_word_that_gets_longer():
    """Two targets share one source; behind it everything moves by one; the last padding is added to the end."""
    wanted = table({0: 1}, {1: 1}, {2: 0.5}, {2: 0.5}, {3: 1}, {4: 1}, {5: 1, 6: 1})
    assert replacement(SHORT, LONG).matrix.tolist() == wanted


def test_a_word_that_gets_shorter():
    """One target takes both sources; the source's last padding is shared by the two columns that are left."""
    wanted = table({0: 1}, {1: 1}, {2: 1, 3: 1}, {4: 1}, {5: 1}, {6: 0.5}, {6: 0.5})
    assert replacement(LONG, SHORT).matrix.tolist() == wanted


def test_the_authors_table_forgets_the_difference_after_the_last_changed_word():
    longer = table({0: 1}, {1: 1}, {2: 0.5}, {2: 0.5}, {4: 1}, {5: 1}, {6: 1})
    shorter = table({0: 1}, {1: 1}, {2: 1, 3: 1}, {3: 1}, {4: 1}, {5: 1}, {})
    assert replacement(SHORT, LONG, "official").matrix.tolist() == longer
    assert replacement(LONG, SHORT, "official").matrix.tolist() == shorter


def test_both_tables_remember_it_before_the_last_changed_word():
    source, target = prompt((1,), (2,), (3,)), prompt((4, 5), (2,), (6,))
    wanted = table({0: 1}, {1: 0.5}, {1: 0.5}, {2: 1}, {3: 1}, {4: 1}, {5: 1, 6: 1})
    assert replacement(source, target).matrix.tolist() == wanted
    wanted = table({0: 1}, {1: 0.5}, {1: 0.5}, {2: 1}, {3: 1}, {5: 1}, {6: 1})
    assert replacement(source, target, "official").matrix.tolist() == wanted


@pytest.mark.parametrize(("sources", "targets"), [(1, 1), (1, 3), (3, 1), (2, 3), (3, 2)])
def test_maps_still_sum_to_one(sources: int, targets: int):
    source, target = prompt(tuple(range(1, 1 + sources))), prompt(tuple(range(11, 11 + targets)))
    maps = torch.rand(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).softmax(-1)
    taken = maps @ replacement(source, target).matrix
    assert torch.allclose(taken.sum(-1), torch.ones(5, dtype=torch.float64), atol=1e-14)


@pytest.mark.parametrize("same", [SHORT, LONG])
def test_a_prompt_is_aligned_with_itself_token_by_token(same: Tokens):
    for alignment in (replacement(same, same), replacement(same, same, "official"), refinement(same, same)):
        assert torch.equal(alignment.matrix, torch.eye(7, dtype=torch.float64)) and bool((alignment.share == 1).all())


def test_replacing_needs_as_many_words():
    with pytest.raises(ValueError, match=r'"a cat" has 2, "a fluffy cat" 3; take `edit` refine'):
        replacement(prompt((1,), (2,), text="a cat"), prompt((1,), (3,), (2,), text="a fluffy cat"))


def test_refining_keeps_the_maps_of_new_tokens_and_moves_the_others():
    source, target = prompt((1,), (2,)), prompt((1,), (7, 8), (2,))
    found = refinement(source, target)
    assert found.share.tolist() == [1, 1, 0, 0, 1, 1, 1]
    # padding stays in place: the target's begins at 6
    assert found.matrix.tolist() == table({0: 1}, {1: 1}, {}, {}, {2: 1}, {3: 1}, {6: 1})


def test_needleman_and_wunsch_by_hand():
    assert align([1, 2, 3], [1, 2, 3]) == [0, 1, 2]
    assert align([1, 2], [3, 1, 2]) == [None, 0, 1]
    assert align([1, 3, 2], [1, 2]) == [0, 2]
    assert align([1], [2]) == [None]  # a mismatch costs more than two gaps


def test_ties_prefer_a_gap_in_the_source_then_one_in_the_target():
    assert align([1], [1, 1]) == [0, None]  # from the end: the last of the target goes without
    assert align([1, 1], [1]) == [0]
    assert align([1, 2], [2, 1]) == [1, None]


def test_words_of_a_real_tokenizer(tiny):
    text = "a photo of a zebra, near a cat"
    found = tiny.tokens(text)
    pieces = tiny.tokenizer(text).input_ids
    assert list(found.ids[: found.used]) == pieces and len(found.ids) == 16
    assert sum(len(span) for span in found.spans) == found.used - 2
    for word, span in zip(found.words, found.spans, strict=True):
        assert tiny.tokenizer.decode([found.ids[at] for at in span]).replace(" ", "") == word
    assert positions(found, "A") == [1, 4, found.used - 3] and len(positions(found, "zebra")) > 2
    assert positions(found, "dog") == []


def test_a_long_prompt_is_cut_as_the_encoder_cuts_it(tiny):
    found = tiny.tokens("a cat " * 12)
    assert found.ids == tuple(tiny.tokenizer("a cat " * 12, truncation=True, max_length=16).input_ids)
    assert found.used == 16 and found.spans[13:16] == ((14,), (), ())
    other = tiny.tokens("a dog " * 12)
    assert torch.equal(replacement(found, other).matrix, torch.eye(16, dtype=torch.float64))
