"""Where the words look, on the page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from zeroshift.reports.looking import words_in, words_that_name
from zeroshift.running.looking import look_at
from zeroshift.ui import telling
from zeroshift.ui.asking import Fields, asked_for
from zeroshift.ui.desk import Desk
from zeroshift.ui.parts import NO_PHOTO, Page, Update
from zeroshift.ui.pictures import heat, inline
from zeroshift.ui.work import PAUSE


@dataclass(frozen=True, eq=False)
class Inside:
    """Where the words look."""

    page: Page

    def words(self, desk: Desk, *given: Any) -> Iterator[Update]:
        """The words of the source prompt that name something, and the map of the last, which mostly is the thing."""
        beside = self.page.beside
        if desk.photo is None:
            yield {beside.words: [], beside.heat: telling.note(NO_PHOTO)}
            return
        on = desk.with_photo(desk.photo, desk.name, desk.where)
        try:
            with self.page.host.turns.one() as turn:
                while turn.ahead:
                    yield {beside.words: [], beside.heat: telling.note(f"{telling.STAGES['wait']}.")}
                    turn.wait(PAUSE)
                prompt, maps = self.maps(on, Fields(*given))
        except Exception as error:
            yield {beside.words: [], beside.heat: telling.doubts([telling.wrong(error)])}
            return
        if not desk.shows(on.photo):
            yield {beside.words: [], beside.heat: telling.note(telling.LOOK_ANEW)}
            return
        desk.looked = on.looked
        chips = {"name": "Words", "words": list(maps), "about": self.about(prompt, maps)}
        yield {beside.words: [chips], beside.heat: self.shown(desk, list(maps)[-1])}

    def about(self, prompt: str, maps: Mapping[str, Any]) -> str:
        """Of which sentence the words are, which may be of another part than what is seen, and which are cut off."""
        away = [word for word in words_that_name(self.page.editor.backbone.tokens(prompt)) if word not in maps]
        cut = f" The sentence is too long for the model, which does not read: {', '.join(away)}." if away else ""
        return f"The words of “{prompt}” that name something.{cut}"

    def maps(self, desk: Desk, fields: Fields) -> tuple[str, dict[str, Any]]:
        """The sentence that says what the photograph shows, and the maps of its words.

        Raises:
            ValueError: the photograph cannot be looked at, or none of the words names anything.
        """
        assert desk.photo is not None
        spec = asked_for(desk, replace(fields, target=fields.target or "dog"), desk.photo)
        wanted = bool(fields.target)
        (frame,) = look_at(self.page.editor, [desk.photo], spec, mask=desk.where.painted, near=wanted)
        prompt = spec.source_prompt or frame.caption or ""
        desk.looked = (frame, words_in(self.page.editor.backbone, frame, prompt))
        return prompt, desk.looked[1]

    def word(self, desk: Desk, event: gr.EventData) -> str:
        """The map of a word."""
        return self.shown(desk, str(event._data["word"]))

    def shown(self, desk: Desk, word: str) -> str:
        """The map of a word as HTML."""
        if desk.looked is None or word not in desk.looked[1]:
            return ""
        frame, maps = desk.looked
        picture, named = inline(heat(frame, maps[word])), escape(word)
        told = f"Where <b>{named}</b> looks: the brighter, the more."
        picture = f'<img src="{picture}" alt="Where {named} looks">'
        return f'<figure class="zs-heat">{picture}<figcaption>{told}</figcaption></figure>'
