"""Words and prompts become a task."""

import pytest
import torch

from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.task import Task, is_prompt, make_task


def test_two_words():
    assert make_task("cat", "dog") == Task("cat", "dog", "a photo of a cat", "a photo of a dog", ("cat", "dog"))
    assert make_task(" owl ", "cat").source_prompt == "a photo of an owl"
    assert make_task("cat", "owl").target_prompt == "a photo of an owl"


def test_two_words_in_a_prompt():
    task = make_task("cat", "owl", "a cat sleeping on a chair")
    assert (task.source_prompt, task.target_prompt) == ("a cat sleeping on a chair", "an owl sleeping on a chair")
    assert task.words == ("cat", "owl")


def test_compound_words():
    task = make_task("tabby cat", "golden retriever")
    assert task.target_prompt == "a photo of a golden retriever" and task.words == ("tabby cat", "golden retriever")


def test_whole_target_prompt_is_taken_as_it_is():
    task = make_task("cat", "an oil painting of the animal", "a cat on a sofa")
    assert (task.source_prompt, task.target_prompt) == ("a cat on a sofa", "an oil painting of the animal")
    assert task.words is None


def test_two_whole_prompts():
    task = make_task("a photo of a cat", "a sketch of a cat")
    assert (task.source_prompt, task.target_prompt) == (task.source, task.target)
    assert task.words is None


def test_direction_is_passed_on():
    direction = Direction(torch.ones(1, 2, 3), {})
    assert make_task("cat", "dog", direction=direction).direction is direction
    assert make_task("a cat", "a dog", direction=direction).direction is direction


@pytest.mark.parametrize("text", ["a cat", "An owl", "the dog", "cat in the snow"])
def test_prompts(text: str):
    assert is_prompt(text)


@pytest.mark.parametrize("text", ["cat", "tabby cat", "golden retriever puppy", "apple", "thermos", "another"])
def test_words(text: str):
    assert not is_prompt(text)


@pytest.mark.parametrize(
    ("source", "target", "prompt", "sentence"),
    [
        ("", "dog", None, "The source is empty; give a word such as cat, or a whole prompt"),
        ("cat", "  ", None, "The target is empty; give a word"),
        ("cat", "Cat ", None, 'Source and target are both "cat"; give two different ones'),
        ("cat", "dog", "a photo of a horse", 'The word "cat" does not stand in the prompt "a photo of a horse"'),
        ("cat", "dog", "", 'The word "cat" does not stand in the prompt'),
        ("cat", "a dog on grass", "a photo of a horse", 'The word "cat" does not stand in the prompt'),
        ("a photo of a cat", "dog", None, 'the target "dog" is a word; give the target as a whole prompt too'),
        ("a photo of a cat", "a dog", "a photo", "either as a whole prompt or as a word with a prompt, not both"),
    ],
)
def test_impossible_tasks(source: str, target: str, prompt: str | None, sentence: str):
    with pytest.raises(ValueError) as error:
        make_task(source, target, prompt)
    assert sentence in str(error.value) and str(error.value).endswith(".") and "\n" not in str(error.value)
