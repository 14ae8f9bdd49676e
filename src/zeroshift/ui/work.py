"""The runs of a page: one edit step by step, and what is kept of it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Event

from PIL import Image, ImageChops

from zeroshift.asked.edits import EditSpec
from zeroshift.cost.estimate import Cost, measure
from zeroshift.editor import Editor
from zeroshift.image import Photo, encode_image, load_image
from zeroshift.inversions import InversionStore
from zeroshift.methods import Method
from zeroshift.naming import result_stem
from zeroshift.results import Result
from zeroshift.running.batching import groups
from zeroshift.running.groups import run_groups
from zeroshift.running.looking import look_at
from zeroshift.running.turns import Turns
from zeroshift.running.walking import EDIT, INVERT
from zeroshift.running.walking import STAGES as OF_RUNS
from zeroshift.ui.desk import MOST_NAME, Desk, Made, Where, file_name, kept_within
from zeroshift.ui.filed import Filed, filed, held
from zeroshift.ui.pictures import Stage, small

WAIT, LOOK = "wait", "look"
STAGES = (WAIT, LOOK, *OF_RUNS)
"""of an edit on the page, in their order"""
PAUSE = 0.2
"""seconds from one thing that is said of a run to the next, at least: a browser draws it anew each time"""
PREVIEWS = 8
"""of one edit"""
MASK = "mask.png"
"""the painted mask among the files of an edit"""
SLIDER = 1400
"""longer side in pixels of the pictures of the slider"""
SEEN = [255 * (level > 24) for level in range(256)]
"""which differences in grey levels are seen"""


@dataclass(frozen=True, eq=False)
class Working:
    """How far an edit is."""

    stage: str
    """one of ``STAGES``"""
    done: int = 0
    """steps; of one that waits, how many edits come before it"""
    total: int = 1
    seconds: float = 0.0
    """since it began to wait, or to look"""
    picture: Image.Image | None = None
    """the photograph, or a preview in it"""
    shared: bool = False
    """whether the inversion was there already"""


@dataclass(frozen=True, eq=False)
class Stopped:
    """Somebody stopped it."""

    seconds: float


def in_turn(
    turns: Turns, photo: Photo, stop: Event, run: Iterator[Working | Stopped | Made]
) -> Iterator[Working | Stopped | Made]:
    """Run an edit of a photograph when it is its turn, and say until then how many come before it."""
    begun, picture = time.perf_counter(), small(photo.image)
    with turns.one() as turn:
        while ahead := turn.ahead:
            yield Working(WAIT, ahead, ahead, time.perf_counter() - begun, picture)
            turn.wait(PAUSE)
            if stop.is_set():
                yield Stopped(time.perf_counter() - begun)
                return
        yield from run


def edited(
    editor: Editor, desk: Desk, spec: EditSpec, *, kept: InversionStore, stop: Event
) -> Iterator[Working | Stopped | Made]:
    """Edit the photograph of a desk; the last of what is yielded is ``Made``, or ``Stopped`` within one step.

    Raises:
        ValueError: the picture, a word or an option is unusable; the sentence says why.
    """
    photo, where, name = desk.photo, desk.where, desk.name
    assert photo is not None
    begun, said, shared = time.perf_counter(), 0.0, True
    (frame,) = look_at(editor, [photo], spec, mask=where.painted)
    (group,) = groups(editor, [frame], [spec])
    stage = Stage.of(editor.backbone, frame)
    yield Working(LOOK, picture=stage.picture)
    steps = run_groups(editor, [group], inversions=kept)
    for _, step in steps:
        shared = shared and step.stage != INVERT
        seconds = time.perf_counter() - begun
        if stop.is_set():
            steps.close()  # type: ignore[attr-defined]
            yield Stopped(seconds)
            return
        if step.results:
            break
        due = step.stage == EDIT and step.done % max(1, step.total // PREVIEWS) == 0
        if due or seconds - said > PAUSE:
            picture, said = stage.with_preview(editor.preview(step)[0]) if due else None, seconds
            yield Working(step.stage, step.done, step.total, seconds, picture, shared)
    result = step.results[0][0]
    made = kept_of(desk, photo, name, where, spec, result, time.perf_counter() - begun)
    yield replace(made, caption=group.requests[0].task.source_prompt)


def kept_of(desk: Desk, photo: Photo, name: str, where: Where, spec: EditSpec, result: Result, seconds: float) -> Made:
    """Write a result's files on the desk: the picture with its recipe, and what the slider shows."""
    key = next(desk.keys)
    folder = desk.place() / str(key)
    folder.mkdir()
    recipe = {**result.recipe, "source_path": name, "drift": result.drift.told}
    if where.painted is not None:
        recipe["mask_path"] = MASK
    file = folder / f"{kept_within(result_stem(Path(name).stem, spec), MOST_NAME)}.png"
    file.write_bytes(encode_image(result.image, "PNG", recipe))
    advice = "" if result.verdict is None else result.verdict.advice or ""
    before, after = sliding(folder, photo.image, result.image)
    return Made(
        key=key,
        source=filed(photo, desk.place()),
        name=name,
        place=replace(where, mask=None),
        mask=mask_in(folder, where),
        spec=spec,
        file=file,
        before=before,
        after=after,
        seconds=seconds,
        part=result.part,
        advice=advice,
        doubts=result.warnings if result.note is None else (*result.warnings, result.note),
        drift=result.drift.told,
    )


def sliding(folder: Path, before: Image.Image, after: Image.Image) -> tuple[Path, Path]:
    """Both pictures as files of a size that a browser likes."""
    files = folder / "before.png", folder / "after.png"
    for file, picture in zip(files, (before, after), strict=True):
        small(picture, SLIDER).save(file)
    return files


def parting(before: Path, after: Path) -> float:
    """Where the slider shows the photograph and the edit at once: in the middle of what changed, in percent."""
    with Image.open(before) as first, Image.open(after) as second:
        changed = ImageChops.difference(first.convert("RGB"), second.convert("RGB")).convert("L")
    box = changed.point(SEEN).getbbox()
    return 50.0 if box is None else 50.0 * (box[0] + box[2]) / changed.width


def brought(
    desk: Desk, file: Path, *, called: str, name: str, spec: EditSpec, photo: Photo | None, where: Where
) -> Made:
    """A result's file that was dropped, as if it had been made here.

    Args:
        desk: where it comes to.
        file: as it was uploaded.
        called: what its file is called at home.
        name: what the photograph's file is called.
        spec: the edit that it is of.
        photo: the photograph, if it is here.
        where: of the edit.
    """
    key = next(desk.keys)
    folder = desk.place() / str(key)
    mine = folder / "brought" / file_name(called)  # apart from the slider's files, which have names of their own
    mine.parent.mkdir(parents=True)
    mine.write_bytes(file.read_bytes())
    image = load_image(file).image
    source = None if photo is None else filed(photo, desk.place())
    before, after = sliding(folder, image if photo is None else photo.image, image)
    return Made(key, source, name, replace(where, mask=None), mask_in(folder, where), spec, mine, before, after)


def of_photo(desk: Desk, made: Made, photo: Photo, name: str) -> Made:
    """A result that was brought alone, with its photograph, which came later; ``desk`` says where it changes."""
    mask = mask_in(made.before.parent, desk.where)
    return replace(made, source=filed(photo, desk.place()), name=name, place=replace(desk.where, mask=None), mask=mask)


def mask_in(folder: Path, where: Where) -> Filed | None:
    """Write what was painted among the files of an edit."""
    if where.painted is None:
        return None
    where.painted.image.save(folder / MASK)
    return Filed(folder / MASK, held(where.painted).sha256)


@lru_cache(maxsize=64)
def cost_of(method: Method, model: str) -> Cost:
    """What an edit by a method costs on the model of that folder, file or hub id."""
    return measure(method, model=model)
