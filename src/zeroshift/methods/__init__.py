"""Every method under its name."""

from zeroshift.methods.base import Method
from zeroshift.methods.pix2pix_zero import Pix2PixZero

METHODS: tuple[type[Method], ...] = (Pix2PixZero,)


def by_name(name: str) -> type[Method]:
    """Return the method of that name.

    Raises:
        ValueError: there is none.
    """
    for method in METHODS:
        if method.name == name:
            return method
    raise ValueError(f'There is no method "{name}"; choose one of: {", ".join(m.name for m in METHODS)}.')


__all__ = ["METHODS", "Method", "Pix2PixZero", "by_name"]
