"""Prompt-to-Prompt: the target attends as the source does (Hertz et al., arXiv:2208.01626, Alg. 1)."""

from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from functools import cache
from typing import Annotated, Literal, final

import torch
from pydantic import ConfigDict, Field, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.task import Task
from zeroshift.control.alignment import (
    Mapper,
    check_counts,
    positions,
    refinement,
    replacement,
)
from zeroshift.control.base import Control, ControlOptions, StepContext
from zeroshift.control.blend import LocalBlend, blend_sites
from zeroshift.control.cross_edit import Change, CrossEdit, Window
from zeroshift.control.features import for_rows
from zeroshift.control.words import check_pair, check_words, parse_factors, parse_pair, parse_windows
from zeroshift.diffusion.backbone import Tokens, Unsupported
from zeroshift.diffusion.sites import NOTHING, Compute, Handler, Part, Site
from zeroshift.options.shares import whole_steps

Share = Annotated[StrictFloat, Field(ge=0, le=1)]


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class PromptToPrompt(ControlOptions):
    """Cross-attention maps of the words kept, and self-attention maps, come from the source for part of the steps."""

    kind: Literal["prompt-to-prompt"] = "prompt-to-prompt"
    """name of this control"""
    cross_until: Share = 0.8
    """share of the steps, from the first on, in which cross-attention maps come from the source"""
    self_until: Share = 0.4
    """share of the steps, from the first on, in which self-attention maps come from the source"""
    edit: Literal["auto", "replace", "refine"] = "auto"
    """how prompts are aligned: word by word, by the tokens they share, or by the first if word counts are equal"""
    mapper: Mapper = "fixed"
    """alignment behind a word that changes its number of tokens: with it, or as in the authors' code"""
    amplify: str | None = None
    """factors on the maps of words of the target, such as "fluffy=2,dog=0.5" """
    word_windows: str | None = None
    """shares of the steps between which words of the target take the source's maps, such as "dog=0-0.4" """
    self_scale: Annotated[StrictInt, Field(ge=1, le=64)] = 2
    """finest layers whose self-attention is replaced: how many times smaller than the latent, per side"""
    uncond_self_until: Share = 0.0
    """share of the steps in which the negative row's self-attention comes from the source's (P2Plus)"""
    blend_words: str | None = None
    """words outside of which nothing changes: of source and target, such as "cat,dog", several with blanks between"""
    blend_subtract: str | None = None
    """words that are taken out of that again, in the same form"""
    blend_threshold: Share = 0.3
    """share of its maximum that a word's map exceeds where the word looks"""
    blend_start: Share = 0.2
    """share of the steps before anything is blended"""

    def __post_init__(self) -> None:
        for parse, text in (
            (parse_factors, self.amplify),
            (parse_windows, self.word_windows),
            (parse_pair, self.blend_words),
            (parse_pair, self.blend_subtract),
        ):
            parse(text)
        if self.blend_subtract is not None and self.blend_words is None:
            raise ValueError("`blend_subtract` takes something out of `blend_words`; give those too.")

    def check_task(self, task: Task) -> None:
        """Refuse words that the prompts do not have.

        Raises:
            ValueError: a word does not stand in its prompt, or words are to be replaced that are not equally many.
        """
        if self.edit == "replace":
            check_counts(task.source_prompt.split(), task.target_prompt.split())
        check_words((word for word, _ in parse_factors(self.amplify)), task.target_prompt)
        check_words((word for word, _ in parse_windows(self.word_windows)), task.target_prompt)
        check_pair(self.blend_words, task)
        check_pair(self.blend_subtract, task)

    def check_network(self, sites: Sequence[Site]) -> None:
        replaces = max(self.self_until, self.uncond_self_until) > 0
        if replaces and not any(s.kind == "self" and s.scale >= self.self_scale for s in sites):
            raise Unsupported(
                f"No self-attention layer is {self.self_scale} times smaller than the latent or more; "
                "take a smaller `self_scale`, or `self_until` 0."
            )

    def bind(self, run: EditContext) -> Control:
        """The control of one run.

        Raises:
            Unsupported: the network has no layer that an option speaks of.
            ValueError: words are to be replaced that are not equally many.
        """
        self.check_network(run.backbone.sites)
        source, target = (run.backbone.tokens(p) for p in (run.task.source_prompt, run.task.target_prompt))
        blend = self._blend(run, source, target)
        return BoundPromptToPrompt(
            cross=self._cross(run, source, target),
            self_steps=whole_steps(self.self_until, run.steps),
            uncond_steps=whole_steps(self.uncond_self_until, run.steps),
            self_scale=self.self_scale,
            blender=blend,
            first=run.trajectory.first,
            pictures=run.count,
            follows_source=blend is not None,
        )

    def _cross(self, run: EditContext, source: Tokens, target: Tokens) -> CrossEdit:
        replaces = len(source.words) == len(target.words) if self.edit == "auto" else self.edit == "replace"
        alignment = replacement(source, target, self.mapper) if replaces else refinement(source, target)
        factors = torch.ones_like(alignment.share)
        rows = run.steps + 1  # the authors' table of schedules has one row more than there are steps
        windows: list[Window] = [(0, whole_steps(self.cross_until, rows))] * len(target.ids)
        for word, factor in parse_factors(self.amplify):
            factors[positions(target, word)] = factor
        for word, (begin, end) in parse_windows(self.word_windows):
            for at in positions(target, word):
                windows[at] = (whole_steps(begin, rows), whole_steps(end, rows))

        def strength(step: int) -> float:
            return 1.0 if run.conditioning is None else run.conditioning.strength(step + run.trajectory.first)

        # the device and precision that the maps have
        placed, steps = (lambda x: x.to(run.prompt.tokens)), len(run.trajectory.steps)
        return CrossEdit(alignment, factors, tuple(windows), strength, placed, steps)

    def _blend(self, run: EditContext, source: Tokens, target: Tokens) -> LocalBlend | None:
        if self.blend_words is None:
            return None
        chosen = [parse_pair(self.blend_words), parse_pair(self.blend_subtract)]
        words = []
        for n, tokens in enumerate((source, target)):
            columns = torch.zeros(len(tokens.ids), 2)
            for column, pair in enumerate(chosen):
                columns[[at for word in pair[n] for at in positions(tokens, word)], column] = 1
            words.append(columns.to(run.prompt.tokens))
        start, subtracts = whole_steps(self.blend_start, run.steps), self.blend_subtract is not None
        sites = blend_sites(run.backbone.sites)
        return LocalBlend(sites, (words[0], words[1]), self.blend_threshold, start, subtracts)


@plain_dataclass(frozen=True, eq=False)
class BoundPromptToPrompt(Control):
    """Prompt-to-Prompt in one run."""

    cross: CrossEdit
    self_steps: int
    uncond_steps: int
    self_scale: int
    blender: LocalBlend | None
    first: int
    pictures: int
    follows_source: bool

    def prompt_only(self, i: int) -> bool:
        return i - self.first >= self.uncond_steps

    def records(self, site: Site, i: int) -> frozenset[Part]:
        step = i - self.first
        if site.kind == "self" and site.scale >= self.self_scale and step < max(self.self_steps, self.uncond_steps):
            # a map is a function of q and k, which are smaller
            return frozenset[Part](("q", "k"))
        looked_at = self.blender is not None and site in self.blender.sites
        if site.kind == "cross" and (looked_at or self.cross.active(step)):
            return frozenset[Part](("probs",))
        return NOTHING

    def applies(self, site: Site, i: int) -> frozenset[Part]:
        return self.records(site, i)

    def apply(self, here: StepContext) -> Handler | None:
        step = here.i - self.first
        edit = self.cross.at(step) if self.cross.active(step) else None

        def handle(site: Site, part: Part, compute: Compute) -> Tensor:
            source = here.source.seen[site, part]
            if part == "probs":
                return self._cross(site, source, len(here.text), edit, compute)
            return self._shared(source, len(here.text), step, compute)

        return handle

    def blend(self, x: Tensor, here: StepContext) -> Tensor:
        return x if self.blender is None else self.blender(x, here.source.following, here.i - self.first)

    def _cross(self, site: Site, source: Tensor, count: int, edit: Change | None, compute: Compute) -> Tensor:
        """Edit the maps of the prompt's row (B, heads, S, L), the last of ``count``; rows before it stay."""
        source, own = source[-self.pictures :], cache(lambda: compute().chunk(count))
        prompt = own()[-1] if edit is None else edit.of(source, lambda: own()[-1])
        if self.blender is not None and site in self.blender.sites:
            self.blender.look(source, prompt)
        return prompt if count == 1 else torch.cat((*own()[:-1], prompt))

    def _shared(self, source: Tensor, count: int, step: int, compute: Compute) -> Tensor:
        """Q or k of all ``count`` rows: of those replaced at this step the source's, else the target's."""
        replaced = [step < self.uncond_steps] * (count - 1) + [step < self.self_steps]
        theirs = for_rows(source, count, self.pictures)
        if all(replaced):
            return theirs
        pairs = zip(theirs.chunk(count), compute().chunk(count), replaced, strict=True)
        return torch.cat([other if swap else own for other, own, swap in pairs])
