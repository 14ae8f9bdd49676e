"""What sentences of edit directions are worth: swapped words, 1 to 1000 sentences of the bank, a language model's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from PIL import Image

from remake.asked import asked
from remake.pages import put
from remake.place import Job, Jobs, Place
from remake.sentences_plot import Line, plot
from remake.sitting import Sitting
from zeroshift.evaluation.imagenet import GROUPS, ImageNetJudge, open_judge
from zeroshift.generators.making import GeneratedDirections
from zeroshift.generators.text_file import TextFile
from zeroshift.image import Photo, save_image
from zeroshift.image.tensors import to_bytes, to_tensor
from zeroshift.miniature.classifier import Classifier, load_classifier
from zeroshift.miniature.data import CaptionedFolder

SPLIT, PICTURES = "val", 12
MARK, FIGURE = "sentences", "docs/directions.png"
FRAMES = "examples/frames"
COUNTS = (1, 10, 100, 1000)
SWAPPED, WRITTEN = "words swapped", "100 by a language model"
BANK = {n: f"{n} sentence{'s' * (n > 1)}" for n in COUNTS}
"""what the columns of the template bank are called"""
WAYS = {SWAPPED: "--words swap", **{name: f"--sentences {n}" for n, name in BANK.items()}, WRITTEN: "--sentences 100"}
"""what the columns are called, and the words that follow ``zeroshift edit``"""
ALWAYS, STEPS = "--fit stretch", ("--steps", "10")
STRENGTHS = {"": "", ", at half strength": "--strength 0.5"}
"""what is said of each strength, and the words for it"""
Counts: TypeAlias = Mapping[str, Mapping[str, int]]
"""edits that succeeded, by task and way"""


@dataclass(frozen=True)
class Task:
    """One edit of photographs."""

    name: str
    species: tuple[str, ...]
    """of the photographs, as many of each"""
    words: str
    """that follow ``zeroshift edit``; {} is the species"""
    head: str
    """what says whether an edit is what it was to be: the classifier's classes, coats or styles, or "imagenet" """
    wanted: str
    coat: str | None = None
    """of the photographs, where that matters"""
    frames: str = "animal.txt"
    """the sentences that a language model has written about such words, with a gap"""


BOTH = ("cat", "dog")
TABBY = '--source "tabby cat" --target "black cat" --prompt "a photo of a tabby cat"'
STYLES = {
    "photo → sketch": ("sketch", "sketch"),
    "photo → painting": ("painting", "painting"),
    "photo → black-and-white": ("monochrome photo", "black-and-white"),
    "day → night": ("night photo", "night"),
}
"""what a style is asked for by, and what the classifier calls it"""
TASKS = (
    Task("cat → dog", ("cat",), "--source cat --target dog", "classes", "dog"),
    Task("dog → cat", ("dog",), "--source dog --target cat", "classes", "cat"),
    Task("cat → tiger", ("cat",), "--source cat --target tiger", "imagenet", "tiger"),
    Task("cat → lion", ("cat",), "--source cat --target lion", "imagenet", "lion"),
    Task("tabby → black", ("cat",), TABBY, "coats", "black", "tabby"),
    *(
        Task(name, BOTH, f'--source photo --target "{word}" --prompt "a photo of a {{}}"', "styles", style,
             frames="picture.txt")
        for name, (word, style) in STYLES.items()
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Judges:
    """What says whether an edit shows what it was to show."""

    classifier: Classifier
    imagenet: ImageNetJudge | None
    """for animals that the classifier does not tell apart; None where it is not installed"""

    def know(self, task: Task) -> bool:
        """Whether one of them can tell."""
        if task.head == "imagenet":
            return self.imagenet is not None and task.wanted in GROUPS
        return task.wanted in getattr(self.classifier, task.head)

    def count(self, task: Task, edits: Sequence[Image.Image]) -> int:
        """How many edits show what they were to show rather than anything else that the judge tells apart."""
        if task.head == "imagenet":
            assert self.imagenet is not None
            seen = self.imagenet.look(edits)
            return int((seen.of(task.wanted) > seen.of(task.species[0])).sum())
        pictures = to_bytes((to_tensor(edits) + 1) * 127.5)
        if task.head == "classes":
            return list(self.classifier.labels(pictures)).count(task.wanted)
        _, coats, styles = self.classifier.logits(pictures)
        names, logits = {"coats": (self.classifier.coats, coats), "styles": (self.classifier.styles, styles)}[task.head]
        return [names[int(k)] for k in logits.argmax(1)].count(task.wanted)


def jobs(pictures: int = PICTURES) -> Jobs:
    return [Job("sentences", partial(make, pictures), with_data=True)]


def make(pictures: int, place: Place) -> str:
    """Edit photographs of ``val`` in every task, way and strength; write the table and the plot of what succeeded."""
    judges = Judges(load_classifier(place.model / "classifier"), judge_there())
    found: dict[str, dict[str, dict[str, int]]] = {said: {} for said in STRENGTHS}
    for task in filter(judges.know, TASKS):
        sittings = sittings_of(place, task, pictures)
        for said, strength in STRENGTHS.items():
            found[said][task.name] = {way: 0 for way in WAYS}
            for species, (bank, written) in sittings.items():
                for way, words in WAYS.items():
                    sitting = written if way == WRITTEN else bank
                    told = " ".join((task.words.format(species), ALWAYS, strength, words, *steps_of(place)))
                    edits = [result.native for result in sitting.edit(asked(told))]
                    found[said][task.name][way] += judges.count(task, edits)
    return written_down(place, found, pictures)


def judge_there() -> ImageNetJudge | None:
    """The network that tells wild animals apart, if it is installed."""
    try:
        return open_judge()
    except ValueError:
        return None


def steps_of(place: Place) -> Sequence[str]:
    """The words that say how many steps are walked."""
    return place.words or STEPS


def sittings_of(place: Place, task: Task, count: int) -> dict[str, tuple[Sitting, Sitting]]:
    """Photographs of a task by species, to edit along the bank's sentences and along a language model's.

    Raises:
        ValueError: there are too few photographs.
    """
    assert place.data is not None
    data, bank, found = CaptionedFolder.open(place.data), place.editor(), {}
    frames = GeneratedDirections(bank.backbone, TextFile(place.root / FRAMES / task.frames))
    for species in task.species:
        rows = [row for row in data.split(SPLIT) if row.labels.get("species") == species]
        rows = [row for row in rows if task.coat is None or row.labels.get("coat") == task.coat]
        rows = rows[: count // len(task.species)]
        if len(rows) < count // len(task.species):
            raise ValueError(f"{place.data} has too few pictures in {SPLIT} for {task.name}; {count} are edited.")
        pixels = data.read(rows, bank.backbone.size)
        photos = [Photo.of(Image.fromarray(one.permute(1, 2, 0).contiguous().numpy())) for one in pixels]
        sitting = Sitting(bank, photos)
        found[species] = sitting, Sitting(replace(bank, directions=frames), photos, sitting.inversions)
    return found


def written_down(place: Place, found: Mapping[str, Counts], pictures: int) -> str:
    """Write what was counted at each strength; say where."""
    save_image(plot(lines_of(found, pictures)), place.root / FIGURE, recipe={"command": "remake sentences"})
    return f"{FIGURE}, {put(place.root, {MARK: table(found, pictures, ' '.join(steps_of(place)))})}"


def table(found: Mapping[str, Counts], pictures: int, words: str) -> str:
    """A row for every task at full strength, and one of all together at each; ``words`` are said of all edits."""
    lines = [f"| of {pictures} photographs each, {words} | {' | '.join(WAYS)} |", "|---" * (1 + len(WAYS)) + "|"]
    full = next(iter(found.values()))
    lines += [f"| {name} | {' | '.join(str(of[way]) for way in WAYS)} |" for name, of in full.items()]
    for said, counts in found.items():
        sums = together(counts)
        lines.append(f"| all {pictures * len(counts)}{said} | {' | '.join(str(sums[way]) for way in WAYS)} |")
    return "\n".join(lines)


def together(counts: Counts) -> dict[str, int]:
    """The sum over all tasks, by way."""
    return {way: sum(of[way] for of in counts.values()) for way in WAYS}


def lines_of(found: Mapping[str, Counts], pictures: int) -> list[Line]:
    """What is drawn of each strength: shares of edits that succeeded."""
    lines = []
    for said, counts in found.items():
        shares = {way: total / (pictures * len(counts)) for way, total in together(counts).items()}
        bank = {n: shares[name] for n, name in BANK.items()}
        lines.append(Line(said.removeprefix(", ") or "at full strength", bank, shares[SWAPPED], shares[WRITTEN]))
    return lines
