"""Zero-shot image translation with pretrained text-to-image diffusion models."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroshift.conditioning.task import Task
    from zeroshift.diffusion.lock import Busy
    from zeroshift.editor import Editor
    from zeroshift.edits import EditSpec
    from zeroshift.image import Photo, encode_image, load_image, save_image
    from zeroshift.inversions import InversionMemory
    from zeroshift.loading import load
    from zeroshift.methods import Method, Pix2PixZero
    from zeroshift.request import Request
    from zeroshift.results import Result
    from zeroshift.translate import Progress

__version__ = "0.2.0"
__all__ = [
    "Busy",
    "EditSpec",
    "Editor",
    "InversionMemory",
    "Method",
    "Photo",
    "Pix2PixZero",
    "Progress",
    "Request",
    "Result",
    "Task",
    "encode_image",
    "load",
    "load_image",
    "save_image",
]

_HOME = {
    "Busy": "diffusion.lock",
    "EditSpec": "edits",
    "Editor": "editor",
    "InversionMemory": "inversions",
    "Method": "methods",
    "Request": "request",
    "Task": "conditioning.task",
    "load": "loading",
    "Photo": "image",
    "encode_image": "image",
    "load_image": "image",
    "save_image": "image",
    "Pix2PixZero": "methods",
    "Progress": "translate",
    "Result": "results",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: torch takes seconds, and help texts do not need it."""
    if name not in _HOME:
        raise AttributeError(f"zeroshift has no attribute {name}")
    from importlib import import_module

    return getattr(import_module(f"zeroshift.{_HOME[name]}"), name)
