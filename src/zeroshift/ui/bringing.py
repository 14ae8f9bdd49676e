"""What is brought to the page and comes back to it: photographs, results, and what they were made with."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import monotonic_ns
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from zeroshift.asked.again import asked_again
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.together import seeds_in_vain
from zeroshift.distillation.asked import SAME
from zeroshift.image import ImageError, Photo, load_image, size_of
from zeroshift.recipe import STUDENT, EditRecipe
from zeroshift.ui import photographs, telling
from zeroshift.ui.asking import laid_out, where_of
from zeroshift.ui.desk import Desk, Host, Made, Where, file_name
from zeroshift.ui.parts import NO_PHOTO, Page, Update
from zeroshift.ui.work import of_photo, sliding

MOST_REASON = 300
"""characters of what a server says of a file that it did not take"""


@dataclass(frozen=True, eq=False)
class Bringing:
    """Photographs come and go, with what is seen in them."""

    page: Page

    def bring(self, desk: Desk, version: int, event: gr.EventData) -> Update:
        """A file was dropped, pasted or chosen: a photograph, or a result, which brings back what it was made with."""
        page, name = self.page, file_name(str(event._data["name"]))
        try:
            file = uploaded(event._data, page.host)
        except ImageError as error:
            return self.refused(error)
        try:
            size_of(file, page.host.megapixels, page.host.formats)
            recipe = photographs.recipe_in(file, name)
            if recipe is not None:
                return self.restored(desk, self.result(desk, file, name, recipe), version)
            return self.laid(desk, load_image(file), name)
        except Exception as error:  # without an answer the page would wait for this file
            return self.refused(wrong_with(error, file, name))

    def refused(self, error: object) -> Update:
        """A file that was brought is no good, which is said where it was brought; all that lies on the page stays."""
        return {self.page.ask.photo: {"wrong": telling.plain(error), "tick": monotonic_ns()}}

    def result(self, desk: Desk, file: Path, name: str, recipe: EditRecipe) -> Made:
        """A result's file with all that it was made with.

        Raises:
            ValueError: it cannot be asked for here.
        """
        page = self.page
        if recipe.method != STUDENT:
            return photographs.result_brought(desk, file, name, recipe, asked_again(recipe, page.editor))
        if page.student is None:
            raise ValueError("A student made that picture, and this page was opened without one; give it --student.")
        return photographs.result_brought(desk, file, name, recipe, page.student.asked_again(recipe))

    def example(self, desk: Desk, event: gr.EventData) -> Update:
        """An example was chosen."""
        name = str(event._data["name"])
        if name not in photographs.CREDITS:
            return self.page.same
        return self.laid(desk, load_image(photographs.EXAMPLES / name), name)

    def laid(self, desk: Desk, photo: Photo, name: str) -> Update:
        """A photograph is laid on the desk; settings stay, but where it changes is another matter."""
        page, awaited = self.page, photo.sha256 == desk.awaits
        desk.photo, desk.name, desk.awaits = photo, name, ""
        if awaited and desk.shown is not None:
            desk.where = where_of(desk.shown.spec, photo, desk.where.mask)
            sliding(desk.shown.before.parent, photo.image, load_image(desk.shown.file).image)
            desk.shown = of_photo(desk, desk.shown, photo, name)
            desk.made = [desk.shown if one.key == desk.shown.key else one for one in desk.made]
            return {**page.shows(desk, desk.shown), **self.seen(desk)}
        desk.where, desk.shown = Where(), None
        show = page.show
        return {
            **self.seen(desk),
            show.stage: gr.HTML(telling.EMPTY, visible=True),
            show.slider: gr.ImageSlider(visible=False),
            show.status: "",
            show.actions: gr.Column(visible=False),
            show.strength: 1,
        }

    def seen(self, desk: Desk) -> Update:
        """What is seen in the photograph, and which part of it is looked at; a look inside another one is put away."""
        ask, beside, away = self.page.ask, self.page.beside, {}
        if desk.looked is not None and not desk.shows(desk.looked[0].photo):
            why = NO_PHOTO if desk.photo is None else telling.LOOK_ANEW
            desk.looked, away = None, {beside.words: [], beside.heat: telling.note(why)}
        if desk.photo is None:
            return {ask.photo: photographs.shown(desk), ask.seen: "", **away}
        seen, part, found = photographs.look_at_photo(self.page.editor, desk)
        return {ask.photo: photographs.shown(desk, found), ask.seen: telling.seen(seen, part), **away}

    def place(self, desk: Desk, event: gr.EventData) -> Update:
        """A box or a mask was drawn, or another way was chosen to say where."""
        if desk.photo is None:
            return self.page.same
        try:
            desk.where = photographs.placed(desk, event._data)
            return self.seen(desk)
        except ValueError as error:
            desk.where = Where()
            return {**self.seen(desk), self.page.ask.seen: telling.doubts([str(error)])}

    def clear(self, desk: Desk) -> Update:
        """The photograph is taken away."""
        desk.photo, desk.where, desk.shown = None, Where(), None
        show = self.page.show
        return {
            **self.seen(desk),
            show.stage: gr.HTML(telling.EMPTY, visible=True),
            show.slider: gr.ImageSlider(visible=False),
            show.status: "",
            show.actions: gr.Column(visible=False),
        }

    def again(self, desk: Desk) -> Update:
        """The result becomes the photograph."""
        if desk.shown is None:
            return self.page.same
        return {**self.laid(desk, load_image(desk.shown.file), desk.shown.file.name), self.page.ask.target: ""}

    def picked(self, desk: Desk, version: int, event: gr.EventData) -> Update:
        """An earlier edit was chosen."""
        try:
            return self.restored(desk, desk.of(int(event._data["key"])), version)
        except ValueError as error:
            return {self.page.show.status: telling.doubts([str(error)])}

    def restored(self, desk: Desk, made: Made, version: int) -> Update:
        """An edit with all that it was made with."""
        page, ask = self.page, self.page.ask
        fields, desk.options, framing = laid_out(made.spec)
        desk.framing = {name: value for name, value in framing.items() if name not in made.where.said}
        desk.where, desk.name, desk.photo = made.where, made.name, made.photo
        updates = {**page.shows(desk, made), **self.seen(desk)}
        if made.photo is None:
            updates[ask.seen] = telling.doubts([telling.away(made.name)])
        return {
            **updates,
            ask.target: fields.target,
            ask.source: fields.source,
            ask.prompt: fields.prompt,
            ask.method: fields.method,
            ask.fast: fields.fast,
            ask.seed: fields.seed,
            page.show.strength: fields.strength,
            page.version: version + 1,
        }

    def chip(self, event: gr.EventData) -> str:
        """A word was chosen."""
        return str(event._data["word"])

    def words(self, target: str, source: str, prompt: str) -> str:
        """What is doubtful about the words."""
        return telling.doubts(self.page.editor.doubts([target, source, prompt]))

    def reset(self, desk: Desk, version: int) -> int:
        """All options are as the model recommends them."""
        desk.options, desk.framing = {}, {}
        return version + 1

    def seeds(self, desk: Desk, method: str, seed: int) -> str:
        """What is said where a method draws nothing at random."""
        if method == STUDENT:
            return telling.doubts([SAME]) if seed else ""
        specs = [EditSpec(target="dog", method=method, options=desk.options, seed=n) for n in (0, 1)]
        try:
            return telling.doubts(seeds_in_vain(specs)) if seed else ""
        except ValueError as error:
            return telling.doubts([str(error)])


def uploaded(event: Mapping[str, Any], host: Host) -> Path:
    """The file that a browser says it has brought.

    Raises:
        ImageError: it did not come, or lies elsewhere than in the folder of what was brought.
    """
    path = str(event.get("path", ""))
    file = Path(path).resolve()
    if path and file.is_relative_to(Path(get_upload_folder()).resolve()):
        return file
    said, size = str(event.get("failed", "")), event.get("size", 0)
    if isinstance(size, (int, float)) and size > host.file_bytes:
        has, may = ceil(size / 1e5) / 10, host.file_bytes // 1e5 / 10
        raise ImageError(f"That file has {has:g} MB, and a photograph may have {may:g} MB here; bring a smaller one.")
    raise ImageError(f"That file did not arrive here: {reason_in(said) or 'its connection broke off; try again.'}")


def reason_in(said: str) -> str:
    """Why a server took no file, from what it answered as Gradio's client tells it; empty where it did not answer."""
    if (answer := re.fullmatch(r"HTTP \d+: (.*)", said, re.DOTALL)) is None:
        return ""
    try:
        return str(json.loads(answer[1])["error"]["message"])[:MOST_REASON]
    except (ValueError, LookupError, TypeError):
        return answer[1][:MOST_REASON]


def wrong_with(error: Exception, file: Path, name: str) -> str:
    """What is wrong with a file that was brought, called by its name and not by where the server keeps it."""
    if telling.is_full(error):
        return f"{name} cannot be kept here ({error.strerror}): see whether the disk is full."
    if isinstance(error, OSError):
        return f"{name} cannot be read again here ({error.strerror}); bring it once more."
    return telling.wrong(error).replace(str(file), name)


def other_seed() -> int:
    """Another seed."""
    return secrets.randbelow(10_000)
