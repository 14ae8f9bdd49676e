"""Versions of installed packages."""

from functools import cache
from importlib import metadata


@cache
def version(package: str) -> str:
    """The version of an installed package, read from its files once: every recipe names several."""
    return metadata.version(package)
