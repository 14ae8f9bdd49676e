"""The breeds among ImageNet's classes, under the names that captions say, and which animal a text names."""

from zeroshift.sentences import contains_word

FIRST_DOG, FIRST_CAT = 151, 283
"""the classes that ``DOGS`` and ``CATS`` begin with (Russakovsky et al. 2015)"""
DOGS = (
    *("chihuahua", "japanese chin", "maltese", "pekingese", "shih tzu", "king charles spaniel", "papillon"),
    *("toy terrier", "rhodesian ridgeback", "afghan hound", "basset hound", "beagle", "bloodhound"),
    *("bluetick coonhound", "black and tan coonhound", "treeing walker coonhound", "english foxhound"),
    *("redbone coonhound", "borzoi", "irish wolfhound", "italian greyhound", "whippet", "ibizan hound"),
    *("norwegian elkhound", "otterhound", "saluki", "scottish deerhound", "weimaraner"),
    *("staffordshire bull terrier", "american staffordshire terrier", "bedlington terrier", "border terrier"),
    *("kerry blue terrier", "irish terrier", "norfolk terrier", "norwich terrier", "yorkshire terrier"),
    *("wire fox terrier", "lakeland terrier", "sealyham terrier", "airedale terrier", "cairn terrier"),
    *("australian terrier", "dandie dinmont terrier", "boston terrier", "miniature schnauzer", "giant schnauzer"),
    *("standard schnauzer", "scottish terrier", "tibetan terrier", "silky terrier", "soft-coated wheaten terrier"),
    *("west highland white terrier", "lhasa apso", "flat-coated retriever", "curly-coated retriever"),
    *("golden retriever", "labrador retriever", "chesapeake bay retriever", "german shorthaired pointer", "vizsla"),
    *("english setter", "irish setter", "gordon setter", "brittany", "clumber spaniel", "english springer spaniel"),
    *("welsh springer spaniel", "cocker spaniel", "sussex spaniel", "irish water spaniel", "kuvasz", "schipperke"),
    *("groenendael", "malinois", "briard", "kelpie", "komondor", "old english sheepdog", "shetland sheepdog"),
    *("collie", "border collie", "bouvier des flandres", "rottweiler", "german shepherd", "dobermann"),
    *("miniature pinscher", "greater swiss mountain dog", "bernese mountain dog", "appenzeller", "entlebucher"),
    *("boxer", "bullmastiff", "tibetan mastiff", "french bulldog", "great dane", "saint bernard", "husky"),
    *("alaskan malamute", "siberian husky", "dalmatian", "affenpinscher", "basenji", "pug", "leonberger"),
    *("newfoundland", "great pyrenees", "samoyed", "pomeranian", "chow chow", "keeshond", "brussels griffon"),
    *("pembroke welsh corgi", "cardigan welsh corgi", "toy poodle", "miniature poodle", "standard poodle"),
    "mexican hairless",
)
CATS = ("persian", "siamese")
"""the two that it tells well; its "Egyptian cat" and "tiger cat" are any house cat"""

NAMES = {
    "cat": frozenset(
        "cat kitten abyssinian balinese bengal birman bombay burmese burmilla coon longhair mau persian ragdoll".split()
        + ["shorthair", "siamese", "sphynx", "tabby"]
    ),
    "dog": frozenset(
        {name.split()[-1] for name in DOGS}
        | {"dog", "puppy", "labrador", "bulldog", "sennenhund", "eskimo", "inu", "springer"}
    ),
}
"""words that name one of the two animals: the noun, or the last word of a breed"""


def animal_of(text: str) -> str:
    """Which of the two animals a text names, by its noun or its breed; nothing where it names both or neither."""
    named = [animal for animal, words in NAMES.items() if any(contains_word(text, word) for word in words)]
    return named[0] if len(named) == 1 else ""


def breed_of(likeliest: int) -> str:
    """The breed that a class of ImageNet is; nothing for other classes."""
    for first, names in ((FIRST_DOG, DOGS), (FIRST_CAT, CATS)):
        if first <= likeliest < first + len(names):
            return names[likeliest - first]
    return ""
