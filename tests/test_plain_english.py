"""Captions of any captioner: what they are about, and the edits that targets make of them."""

from itertools import product

import pytest

from zeroshift.captioning import PlainEnglish, vocabulary_of
from zeroshift.captioning.subject import subject_of
from zeroshift.conditioning.task import Task, is_prompt, make_task
from zeroshift.sentences import swap_word, template_sentences, with_article


@pytest.mark.parametrize(
    ("caption", "phrase"),
    [
        ("a red car parked on the street", "red car"),
        ("a cup of coffee", "coffee"),
        ("a cat sitting on a couch", "cat"),
        ("two small dogs playing in the snow", "small dogs"),
        ("a sleeping cat", "sleeping cat"),
        ("a black and white cat and a dog", "black and white cat"),
        ("there is a cat sitting on a couch", "cat"),
        ("there are two dogs", "dogs"),
        ("a close up of a cat's face", "cat"),
        ("A close up picture of an orange cat looking at the camera.", "orange cat"),
        ("a man wearing a hat", "man"),
        ("a photo of a dog wearing sunglasses", "dog"),
        ("a small dog chasing cats", "small dog"),
        ("the front of a house", "house"),
        ("a wooden building on a hill", "wooden building"),
        ("a brick building on a hill", "brick building"),
        ("a bed with a blanket", "bed"),
        ("a hospital bed next to a window", "hospital bed"),
        ("a small, fluffy dog lying down", "small, fluffy dog"),
        ("a cat and dog on a couch", "cat"),
        ("a man and woman standing together", "man"),
        ("a ham and cheese sandwich on a plate", "ham and cheese sandwich"),
        ("a fire truck driving down the road", "fire truck"),
        ("a teddy bear sitting on a chair", "teddy bear"),
        ("a statue made of stone", "statue"),
        ("a table covered with a cloth", "table"),
        ("a house surrounded by trees", "house"),
        ("a group of people walking on the beach", "people"),
        ("a pair of shoes on the floor", "shoes"),
        ("a piece of chocolate cake with a fork", "chocolate cake"),
        ("a bowl of fruit on a table", "fruit"),
        ("a plate full of food", "plate"),
        ("a bird of prey on a branch", "bird of prey"),
        ("a man's hat on a table", "hat"),
        ("a woman's face", "woman"),
        ("the dogs' owner", "owner"),
        ("a dog that is running", "dog"),
        ("a boy whose hat is red", "boy"),
        ("a man holding a picture of a dog", "man"),
        ("a black and white photo of a man riding a horse", "man"),
        ("an aerial view of a city at night", "city"),
        ("in the snow, a dog is playing", "dog"),
        ("on the table is a vase of flowers", "flowers"),
        ("a brightly colored bird perched on a branch", "brightly colored bird"),
        ("a man slowly walking down a road", "man"),
        ("a car parked", "car"),
        ("a door painted red", "door"),
        ("a swimming pool in a garden", "swimming pool"),
        ("a parked car", "parked car"),
        ("a large red double decker bus", "large red double decker bus"),
        ("a cat sits on a mat", "cat"),
        ("dogs play in the park", "dogs"),
        ("people walking on the beach", "people"),
        ("a pick up truck parked in a driveway", "pick up truck"),
        ("one of the dogs is sleeping", "dogs"),
        ("a couple of horses grazing in a field", "horses"),
        ("The Eiffel Tower at night", "Eiffel Tower"),
        ("a photo showing a boat on a lake", "boat"),
        ("a glass of red wine", "red wine"),
        ("a slice of pizza", "pizza"),
        ("a cat, a dog and a bird", "cat"),
        ("this is a picture of a horse", "horse"),
        ("a broken window in a house", "broken window"),
        ("a window broken by a stone", "window"),
        ("a wedding cake with flowers", "wedding cake"),
        ("a stop sign", "stop sign"),
        ("a boat floating on water", "boat"),
        ("a stuffed animal lying on a bed", "stuffed animal"),
        ("a bride and groom", "bride"),
        ("a painting on a wall", "painting"),
        ("a painting of a vase of sunflowers by Van Gogh", "sunflowers"),
        ("three cups of tea", "tea"),
        ("a house built in 1900", "house"),
        ("a white-tailed deer standing in grass", "white-tailed deer"),
        ("an elderly man", "elderly man"),
        ("a man dressed as a clown", "man"),
        ("a hand carved wooden table", "hand carved wooden table"),
        ("a bicycle leaning against a wall", "bicycle"),
        ("a hot dog on a bun", "hot dog"),
        ("a traffic light hanging over a street", "traffic light"),
        ("a street filled with lots of traffic", "street"),
        ("a woman in a red dress", "woman"),
        ("a living room with a couch", "living room"),
        ("a view of a mountain", "mountain"),
        ("a dog running quickly", "dog"),
        ("a lemonade stand on a street", "lemonade stand"),
        ("a man looks at his phone", "man"),
        ("a racing car", "racing car"),
        ("a pile of old books", "old books"),
        ("a close-up of a bee on a flower", "bee"),
        ("several cars", "cars"),
        ("cute puppy", "cute puppy"),
        ("a bunch of bananas hanging from a tree", "bananas"),
        ("a herd of elephants crossing a river", "elephants"),
        ("the sun setting over the ocean", "sun"),
        ("a cut up pizza", "cut up pizza"),
        ("a freshly baked loaf of bread", "bread"),
        ("a red and white fire hydrant on the side of the road", "red and white fire hydrant"),
        ("arafed view of a street with a car parked on the side", "street"),
        ("a child's drawing of a house", "house"),
        ("the clock tower is tall and has a large clock", "clock tower"),
        ("snow covered mountains", "snow covered mountains"),
        ("a person holding up a smart phone", "person"),
        ("this image shows a dog in a park", "dog"),
        ("a can of soda", "soda"),
        ("a soda can on a table", "soda can"),
        ("a man can be seen", "man"),
        ("a polar bear swimming underwater", "polar bear"),
        ("a police officer directing traffic", "police officer"),
        ("an outdoor swimming pool", "outdoor swimming pool"),
        ("a wooden table set for dinner", "wooden table"),
        ("a yellow and blue train on the tracks", "yellow and blue train"),
        ("the man's red car is parked", "red car"),
        ("people gathered around a fire", "people"),
        ("an adult elephant and a baby elephant walking", "adult elephant"),
        ("a horse-drawn carriage", "horse-drawn carriage"),
    ],
)
def test_the_subject_of_a_caption(caption: str, phrase: str) -> None:
    subject = subject_of(caption)
    assert subject.phrase == phrase
    assert subject.noun in phrase.split()


@pytest.mark.parametrize("thing", ["cat", "fire truck", "building", "bed", "teddy bear", "old red brick house"])
def test_the_subject_of_every_sentence_of_the_template_bank(thing: str) -> None:
    """They are made to have the word at many places, behind all kinds of openings."""
    for sentence in template_sentences(thing, 2000):
        assert subject_of(sentence).phrase.endswith(thing), sentence


@pytest.mark.parametrize("caption", ["", "on the table", "there", "there is", "sitting on a couch", "in the park."])
def test_a_caption_without_a_thing_is_refused(caption: str) -> None:
    with pytest.raises(ValueError, match="names no thing; give the `source`"):
        PlainEnglish().retarget(caption, "tank")
    with pytest.raises(ValueError, match="names no thing; give the `source`"):
        PlainEnglish().source_prompt(caption)


@pytest.mark.parametrize(
    ("caption", "target", "wanted"),
    [
        ("a red car parked on the street", "tank", "a tank parked on the street"),
        ("a red car parked on the street", "an ambulance", "an ambulance parked on the street"),
        ("a cup of coffee on a table.", "tea", "a cup of tea on a table"),
        ("a cup of coffee", "glass", "a glass of coffee"),
        ("two cups of hot coffee", "green tea", "two cups of green tea"),
        ("a group of three people walking", "robots", "a group of three robots walking"),
        ("a photo of two cats", "three dogs", "a photo of three dogs"),
        ("a bowl on a table", "orange", "an orange on a table"),
        ("a bowl on a table", "night", "a night on a table"),
        ("a bowl on a table", "wooden", "a wooden bowl on a table"),
        ("a red car parked on the street", "blue", "a blue car parked on the street"),
        ("an old red fire truck", "blue", "an old blue fire truck"),
        ("a black and white cat on a mat", "red", "a red cat on a mat"),
        ("a cat and a dog", "fox", "a fox and a dog"),
        ("a cat and dog on a couch", "fox", "a fox and dog on a couch"),
        ("a man's hat on a table", "crown", "a man's crown on a table"),
        ("a close up of a cat's face", "fox", "a close up of a fox's face"),
        ("a statue of a lion", "tiger", "a statue of a tiger"),
        ("a bird of prey on a branch", "owl", "an owl on a branch"),
        ("the front of a house made of stone", "church", "the front of a church made of stone"),
        ("a hot dog on a plate", "burger", "a burger on a plate"),
        ("a small, fluffy dog lying down", "cat", "a cat lying down"),
        ("a large old red double decker bus on a road", "tram", "a tram on a road"),
        ("The dog looks up", "a cat", "The cat looks up"),
        ("a cat", "a cat in the snow at night", "a cat in the snow at night"),
    ],
)
def test_what_a_target_makes_of_a_caption(caption: str, target: str, wanted: str) -> None:
    task = PlainEnglish().retarget(caption, target)
    assert task.target_prompt == wanted
    assert task.source_prompt == PlainEnglish().source_prompt(caption) == caption.rstrip(".")
    again = make_task(task.source, task.target, None if is_prompt(task.source) else task.source_prompt)
    assert again == task  # as a recipe is read again


CONTEXTS = (
    "a photo of {}",
    "there is {} on the left",
    "{} made of paper",
    "{} covered in snow",
    "{} that stands in a garden",
    "in the park, {} is moving",
    "a close-up of {}, blurred",
    "a drawing of {} and a bird",
)
THINGS = ("car", "red car", "fire truck", "old stone building", "black and white cow", "smiling man", "wooden bed")


@pytest.mark.parametrize(("context", "thing"), list(product(CONTEXTS, THINGS)))
def test_nothing_but_the_thing_changes(context: str, thing: str) -> None:
    """The caption with another thing in it is what the same context says of that thing."""
    task = PlainEnglish().retarget(context.format(with_article(thing)), "elephant")
    assert task.target_prompt == context.format("an elephant")


@pytest.mark.parametrize(
    ("caption", "target"),
    [
        ("a red car", "car"),
        ("a red car", "red"),
        ("a red car", "a red car"),
        ("a cup of tea", "tea"),
        ("a CAT.", "cat"),
    ],
)
def test_what_is_there_already_is_no_target(caption: str, target: str) -> None:
    with pytest.raises(ValueError, match="would change nothing; give another target"):
        PlainEnglish().retarget(caption, target)


@pytest.mark.parametrize("target", ["", " "])
def test_an_empty_target_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="The target is empty"):
        PlainEnglish().retarget("a photo of a cat", target)


class Reads:
    """A captioner that knows its own captions."""

    def captions(self, pictures):
        return ["cat"] * len(pictures)

    def retarget(self, caption: str, target: str) -> Task:
        return make_task(caption, target)

    def source_prompt(self, caption: str) -> str:
        return caption


class Says:
    """A captioner of sentences."""

    def captions(self, pictures):
        return ["a cat"] * len(pictures)


def test_a_captioner_that_reads_its_captions_is_asked_itself() -> None:
    reads = Reads()
    assert vocabulary_of(reads) is reads
    assert vocabulary_of(Says()) == vocabulary_of(None) == PlainEnglish()
    assert swap_word("a cat", "cat", "dog") == vocabulary_of(Says()).retarget("a cat", "dog").target_prompt
