"""Edits in one sentence."""

import time

import pytest

from zeroshift.asked.instructions import Instruction, read_instruction


@pytest.mark.parametrize(
    ("text", "target", "source"),
    [
        ("cat -> dog", "dog", "cat"),
        ("cat→dog", "dog", "cat"),
        ("a cat => the dog", "dog", "cat"),
        ("-> dog", "dog", None),
        ("make the cat a dog", "dog", "cat"),
        ("Make the cat into a dog, please.", "dog", "cat"),
        ("Could you turn the black cat into a white dog?", "white dog", "black cat"),
        ("change my cat to a dog in this picture", "dog", "cat"),
        ("make the cat look like a tiger", "tiger", "cat"),
        ("replace the cat with a lion!", "lion", "cat"),
        ("turn this photo into a sketch", "sketch", None),
        ("make it a painting", "painting", None),
        ("make it night", "night", None),
        ("make the cat orange", "a photo of an orange cat", "a photo of a cat"),
        (
            "a photo of a cat on a sofa -> a photo of a dog on a sofa",
            "a photo of a dog on a sofa",
            "a photo of a cat on a sofa",
        ),
        ("a dog on a sofa", "a dog on a sofa", None),
        ("the dog", "dog", None),
        ("pencil sketch", "pencil sketch", None),
        ("a road to the sea", "a road to the sea", None),
    ],
)
def test_what_is_asked_for(text, target, source):
    assert read_instruction(text) == Instruction(target, source)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not say"),
        ("cat ->", "does not say"),
        ("cat -> dog -> horse", "2 arrows"),
        ("add a hat", "not understood"),
        ("make the dog sleep on the bed", "not understood"),
    ],
)
def test_what_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        read_instruction(text)


@pytest.mark.parametrize("piece", [", ", "!", "make the ", "please ", " into ", "a "])
def test_long_texts_take_no_time(piece):
    """The rules look at a text of the greatest length, whatever stands in it, in the twinkling of an eye."""
    begun = time.process_time()
    try:
        read_instruction(f"turn x{piece * (2000 // len(piece))}x")
    except ValueError:
        pass
    assert time.process_time() - begun < 1
