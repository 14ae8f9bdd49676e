"""Zero-shot image translation with pretrained text-to-image diffusion models."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroshift.asked.edits import EditSpec, spec_schema
    from zeroshift.asked.request import Request
    from zeroshift.asked.together import spread
    from zeroshift.conditioning.direction import Direction
    from zeroshift.conditioning.task import Task
    from zeroshift.diffusion.backbone import Unsupported
    from zeroshift.diffusion.lock import Busy
    from zeroshift.editor import Editor
    from zeroshift.image import ImageError, Photo, encode_image, load_image, read_recipe, save_image
    from zeroshift.inversions import InversionMemory, InversionStore
    from zeroshift.loading import load
    from zeroshift.masks.keeping import Kept, keep
    from zeroshift.methods import Method, Pix2PixZero
    from zeroshift.options.errors import OptionError
    from zeroshift.recipe import EditRecipe, GenerateRecipe, parse_recipe, recipe_schema
    from zeroshift.redo import remade_bytes, replay, result_of
    from zeroshift.results import Result
    from zeroshift.running.batching import groups
    from zeroshift.running.grouping import Group
    from zeroshift.running.groups import run_group, run_groups
    from zeroshift.running.looking import look_at
    from zeroshift.running.walking import Progress

__version__ = "0.2.0"
__all__ = [
    "Busy",
    "Direction",
    "EditRecipe",
    "EditSpec",
    "Editor",
    "GenerateRecipe",
    "Group",
    "ImageError",
    "InversionMemory",
    "InversionStore",
    "Kept",
    "Method",
    "OptionError",
    "Photo",
    "Pix2PixZero",
    "Progress",
    "Request",
    "Result",
    "Task",
    "Unsupported",
    "encode_image",
    "groups",
    "keep",
    "load",
    "load_image",
    "look_at",
    "parse_recipe",
    "read_recipe",
    "recipe_schema",
    "remade_bytes",
    "replay",
    "result_of",
    "run_group",
    "run_groups",
    "save_image",
    "spec_schema",
    "spread",
]

_HOME = {
    "Busy": "diffusion.lock",
    "Direction": "conditioning.direction",
    "EditRecipe": "recipe",
    "EditSpec": "asked.edits",
    "Editor": "editor",
    "GenerateRecipe": "recipe",
    "Group": "running.grouping",
    "ImageError": "image",
    "InversionMemory": "inversions",
    "InversionStore": "inversions",
    "Kept": "masks.keeping",
    "Method": "methods",
    "OptionError": "options.errors",
    "Photo": "image",
    "Pix2PixZero": "methods",
    "Progress": "running.walking",
    "Request": "asked.request",
    "Result": "results",
    "Task": "conditioning.task",
    "Unsupported": "diffusion.backbone",
    "encode_image": "image",
    "groups": "running.batching",
    "keep": "masks.keeping",
    "load": "loading",
    "load_image": "image",
    "look_at": "running.looking",
    "parse_recipe": "recipe",
    "read_recipe": "image",
    "recipe_schema": "recipe",
    "remade_bytes": "redo",
    "replay": "redo",
    "result_of": "redo",
    "run_group": "running.groups",
    "run_groups": "running.groups",
    "save_image": "image",
    "spec_schema": "asked.edits",
    "spread": "asked.together",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: torch takes seconds, and help texts do not need it."""
    if name not in _HOME:
        raise AttributeError(f"zeroshift has no attribute {name}")
    from importlib import import_module

    return getattr(import_module(f"zeroshift.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """The public names, also those that are not imported yet: what completion offers."""
    return sorted([*__all__, "__version__"])
