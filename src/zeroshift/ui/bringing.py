"""What is brought to the page and comes back to it: photographs, results, and what they were made with."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic_ns
from typing import Any

import gradio as gr

from zeroshift.asked.again import asked_again
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.together import seeds_in_vain
from zeroshift.distillation.asked import SAME
from zeroshift.image import ImageError, Photo, load_image, size_of
from zeroshift.recipe import STUDENT, EditRecipe
from zeroshift.ui import photographs, telling
from zeroshift.ui.asking import laid_out, where_of
from zeroshift.ui.desk import Desk, Made, Where, file_name
from zeroshift.ui.parts import NO_PHOTO, Page, Update
from zeroshift.ui.uploads import uploaded, wrong_with
from zeroshift.ui.work import of_photo, sliding


@dataclass(frozen=True, eq=False)
class Bringing:
    """Photographs come and go, with what is seen in them."""

    page: Page

    def bring(self, desk: Desk, version: int, event: gr.EventData) -> Update:
        """A file was dropped, pasted or chosen: a photograph, or a result, which brings back what it was made with.

        The answer has the file's number: by that the page knows it from answers to what was drawn meanwhile.
        """
        photo, update = self.page.ask.photo, self.brought(desk, version, event._data)
        return {**update, photo: {**update[photo], "brought": event._data.get("number")}}

    def brought(self, desk: Desk, version: int, said: Mapping[str, Any]) -> Update:
        """What comes of a file, of which a browser said that."""
        page, name = self.page, file_name(str(said["name"]))
        try:
            file = uploaded(said, page.host)
        except ImageError as error:
            return self.refused(error)
        try:
            size_of(file, page.host.megapixels, page.host.formats)
            recipe = photographs.recipe_in(file, name)
            if recipe is not None:
                made = self.result(desk, file, name, recipe)
                update = self.restored(desk, made, version)
                desk.made.append(made)
                return {**update, page.beside.history: telling.cards(desk.made, made)}
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
        if desk.shown is not None and photo.sha256 == desk.awaits:
            return self.joined(desk, desk.shown, photo, name)
        seen = self.looked_at(desk, photo, name, Where())
        desk.awaits, desk.shown, show = "", None, self.page.show
        return {
            **seen,
            show.stage: gr.HTML(telling.EMPTY, visible=True),
            show.slider: gr.ImageSlider(visible=False),
            show.status: "",
            show.actions: gr.Column(visible=False),
            show.strength: 1,
        }

    def joined(self, desk: Desk, shown: Made, photo: Photo, name: str) -> Update:
        """The photograph of the result that is shown came after it."""
        where = where_of(shown.spec, photo, desk.where.mask)
        sliding(shown.before.parent, photo.image, load_image(shown.file).image)
        whole = of_photo(replace(desk, where=where), shown, photo, name)
        seen = self.looked_at(desk, photo, name, where)
        desk.awaits = ""
        for at, one in enumerate(desk.made):  # in its place: other runs add to the same list
            if one.key == whole.key:
                desk.made[at] = whole
        return {**self.page.shows(desk, whole), **seen}

    def looked_at(self, desk: Desk, photo: Photo | None, name: str, where: Where) -> Update:
        """Lay a photograph on a desk once it was looked at: where that fails, all that lies there stays."""
        on = replace(desk, photo=photo, name=name, where=where)
        seen = self.seen(on)
        desk.photo, desk.name, desk.where, desk.looked = photo, name, where, on.looked
        return seen

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
        page, ask, where = self.page, self.page.ask, made.where
        fields, options, framing = laid_out(made.spec)
        photo = made.photo
        with desk.running(replace(desk, photo=photo, name=made.name, where=where, own=[made])):  # its files stay
            seen = self.looked_at(desk, photo, made.name, where)
            shown = page.shows(desk, made)
        recipe = photographs.recipe_in(made.file, made.name) if made.source is None else None
        desk.awaits = "" if recipe is None else str(recipe.source_sha256)
        desk.options = options
        desk.framing = {name: value for name, value in framing.items() if name not in where.said}
        updates = {**shown, **seen}
        if desk.photo is None:
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


def other_seed() -> int:
    """Another seed."""
    return secrets.randbelow(10_000)
