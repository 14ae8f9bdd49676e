"""Articles, plurals, word swaps and the template bank."""

import subprocess
import sys

import pytest

from zeroshift.grammar import article, plural
from zeroshift.sentences import (
    ADJECTIVES,
    PATTERNS,
    PLAIN,
    contains_word,
    noun_phrase,
    sentence,
    swap_word,
    template_sentences,
    with_article,
)

AN = (
    "apple",
    "elephant",
    "igloo",
    "orange cat",
    "umbrella",
    "ugly dog",
    "hour",
    "hourglass",
    "honest man",
    "heir",
    "honour",
    "usher",
    "urban fox",
    "onerous task",
    "egg",
    "old house",
    "Airedale",
    "unimportant thing",
    "uninvited guest",
    "x-ray",
    "SUV",
    "RV",
    "MP3 player",
    "MRI scan",
    "LED lamp",
    "8-year-old child",
    "11-year-old child",
    "onyx cat",
    "AI",
)
A = (
    "cat",
    "dog",
    "house",
    "university",
    "unicorn",
    "uniform",
    "used car",
    "useful tool",
    "utensil",
    "ukulele",
    "European city",
    "ewe",
    "eucalyptus",
    "one-eyed cat",
    "once loved cat",
    "UI",
    "110-year-old tree",
    "TV",
    "hippo",
    "house with an owl",
    "yacht",
    "loom",
    "urinal",
    "usual day",
    "UFO",
    "ubiquitous thing",
    "unanimous vote",
    "U-turn",
    "USB stick",
    "T-shirt",
    "TV",
    "FOX",
    "sly fox",
)


@pytest.mark.parametrize("phrase", AN)
def test_an(phrase: str):
    assert article(phrase) == "an" and with_article(phrase) == f"an {phrase}"


@pytest.mark.parametrize("phrase", A)
def test_a(phrase: str):
    assert article(phrase) == "a" and with_article(phrase) == f"a {phrase}"


@pytest.mark.parametrize(
    ("prompt", "source", "target", "expected"),
    [
        ("a photo of a cat", "cat", "dog", "a photo of a dog"),
        ("a photo of a cat", "cat", "owl", "a photo of an owl"),
        ("a photo of an owl", "owl", "cat", "a photo of a cat"),
        ("An owl and a cat", "owl", "dog", "A dog and a cat"),
        ("A cat on an old chair", "cat", "elephant", "An elephant on an old chair"),
        ("a black cat", "cat", "owl", "a black owl"),
        ("the cat", "cat", "owl", "the owl"),
        ("a Cat beside a cat", "cat", "dog", "a dog beside a dog"),
        ("a category of a cat", "cat", "dog", "a category of a dog"),
        ("a cat, an hour later", "cat", "dog", "a dog, an hour later"),
        ("a tabby cat in the snow", "tabby cat", "umbrella", "an umbrella in the snow"),
        ("a photo of a cat's nose", "cat", "owl", "a photo of an owl's nose"),
        ("a cat", "cat", r"\1 dog", r"a \1 dog"),
        ("a c++ book", "c++", "rust", "a rust book"),
        ("an owl near an owlet", "owl", "cat", "a cat near an owlet"),
        ("a photo of a cat", "cat", "two big dogs", "a photo of two big dogs"),
        ("a photo of the cat", "cat", "2 dogs", "a photo of the 2 dogs"),
    ],
)
def test_swap_word(prompt: str, source: str, target: str, expected: str):
    assert swap_word(prompt, source, target) == expected


@pytest.mark.parametrize("prompt", ["a photo of a dog", "a category", "concatenate", ""])
def test_swap_of_a_missing_word(prompt: str):
    with pytest.raises(ValueError, match='The word "cat" does not stand in the prompt .*; give a prompt that has it'):
        swap_word(prompt, "cat", "dog")


def test_contains_word_looks_at_whole_words():
    assert contains_word("A Cat.", "cat") and contains_word("the tabby-cat", "cat")
    assert not contains_word("cats", "cat") and not contains_word("a bobcat", "cat")


@pytest.mark.parametrize(
    ("caption", "phrase"),
    [
        ("a photo of an orange cat", "orange cat"),
        ("A picture of the old dog", "old dog"),
        ("photo of a cat", "cat"),
        ("a cat", None),
        ("photo of cats", None),
    ],
)
def test_noun_phrase(caption: str, phrase: str | None):
    assert noun_phrase(caption) == phrase


def test_bank_has_two_thousand_different_sentences():
    bank = template_sentences("cat", 2000)
    assert len(set(bank)) == 2000
    assert all(contains_word(s, "cat") and "{" not in s and "  " not in s for s in bank)


def test_bank_is_the_same_on_every_call_and_begins_alike():
    assert template_sentences("cat", 100) == template_sentences("cat", 100) == template_sentences("cat", 2000)[:100]


@pytest.mark.parametrize("other", ["dog", "owl", "Siamese cat"])
def test_sentences_of_two_words_differ_in_word_and_article_alone(other: str):
    """So that the token positions of two means correspond."""
    pairs = zip(template_sentences("cat", 2000), template_sentences(other, 2000), strict=True)
    assert all(swap_word(ours, "cat", other) == theirs for ours, theirs in pairs)


def test_any_prefix_of_the_bank_is_mixed():
    bank = template_sentences("cat", 200)
    assert all(any(adjective in s for s in bank) for adjective in ADJECTIVES)
    positions = {s.split().index("cat") for s in bank if "cat" in s.split()}
    assert len(positions) >= 5


def test_articles_in_the_bank_are_right():
    for said in template_sentences("owl", 2000):
        words = said.replace(",", "").split()
        for before, after in zip(words, words[1:], strict=False):
            if before in ("a", "an"):
                assert before == article(after), said


@pytest.mark.parametrize("pattern", PATTERNS + PLAIN)
def test_patterns(pattern: str):
    said = sentence(pattern, "owl", "in the snow", "sitting", "old")
    assert said.count("owl") == 1 and "a owl" not in said and "a old" not in said and "{" not in said


@pytest.mark.parametrize("count", [0, -1, 2001])
def test_counts_the_bank_does_not_hold(count: int):
    with pytest.raises(ValueError, match=f"holds 1 to 2000 sentences, not {count}"):
        template_sentences("cat", count)


@pytest.mark.parametrize("word", ["", "  "])
def test_empty_word(word: str):
    with pytest.raises(ValueError, match="word to make sentences about is empty; give a noun"):
        template_sentences(word, 5)


def test_no_article_before_a_number():
    assert with_article("three cats") == "three cats" and with_article("tench") == "a tench"


@pytest.mark.parametrize(
    ("one", "many"),
    [("fox", "foxes"), ("wolf", "wolves"), ("golden retriever", "golden retrievers"), ("sheep", "sheep")],
)
def test_plurals(one: str, many: str):
    assert plural(one) == many


def test_the_words_of_everyday_edits_need_no_library():
    """It takes most of a second to import."""
    words = ["cat", "dog", "tiger", "horse", "old house", "orange cat", "adorable dog", "elephant", "umbrella"]
    code = (
        f"import sys; from zeroshift.grammar import article; "
        f"print([article(w) for w in {words}], 'inflect' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == f"{[article(word) for word in words]} False".split()
