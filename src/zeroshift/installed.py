"""Versions of installed packages."""

from functools import cache
from importlib import metadata

import cv2

LIBRARIES = ("torch", "diffusers", "transformers", "pillow", "numpy")
"""what latents depend on"""


@cache
def version(package: str) -> str:
    """The version of an installed package, read from its files once: every recipe names several."""
    return metadata.version(package)


def versions_of_pictures() -> dict[str, str]:
    """Versions of what pictures depend on: OpenCV, which comes in several packages, fits edits into photographs."""
    return {**{name: version(name) for name in LIBRARIES}, "opencv": cv2.__version__}
