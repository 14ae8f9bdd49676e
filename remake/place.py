"""Where things are read and written, and what one thing to make is."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from zeroshift.backbones import load_backbone
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.diffusion.backbone import Backbone
from zeroshift.editor import Editor
from zeroshift.loading import own_captioner, own_critic, own_finder, own_restorer, own_segmenter
from zeroshift.presets import read_presets


@dataclass(frozen=True, eq=False)
class Place:
    """A checkout, and the model that its pages are about."""

    root: Path
    """of the checkout"""
    data: Path | None = None
    """captioned photographs with the splits train, val and test; None leaves out what needs them"""
    model: Path = SHIPPED
    words: tuple[str, ...] = ()
    """options added to the commands that no manifest holds, such as fewer steps for a trial"""

    @property
    def work(self) -> Path:
        """The folder of what is kept between runs."""
        return self.root / "out/remake"

    @property
    def of_model(self) -> tuple[str, ...]:
        """The options of a command line that name the model."""
        return () if self.model == SHIPPED else ("--model", str(self.model))

    @cached_property
    def backbone(self) -> Backbone:
        """The model in float32 on the CPU."""
        return load_backbone(None if self.model == SHIPPED else self.model, device="cpu", precision="fp32")

    def editor(self) -> Editor:
        """The model with the presets that it has now."""
        captioner, finder, segmenter = own_captioner(self.model), own_finder(self.model), own_segmenter(self.model)
        return Editor(
            self.backbone,
            read_presets(self.model),
            captioner,
            finder=finder,
            segmenter=segmenter,
            restorer=own_restorer(self.model),
            critic=own_critic(self.model),
        )


@dataclass(frozen=True)
class Job:
    """One thing to make."""

    name: str
    """what ``--only`` calls it, such as pictures/ddim"""
    make: Callable[[Place], str]
    """makes it and says in a few words what came out; raises what it fails by"""
    with_data: bool = False
    """whether it needs photographs of the data folder"""

    def wanted(self, names: list[str]) -> bool:
        """Whether one of ``names`` is its own or its group's; without names everything is wanted."""
        return not names or self.name in names or self.name.partition("/")[0] in names


Jobs: TypeAlias = list[Job]
