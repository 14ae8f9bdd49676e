"""How a process starts and ends without looking through what it loads for garbage."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Load libraries and models without looking for garbage among them.

    Their million objects are all kept, and looking through them again and again is a quarter of a start's time.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def leave_quickly() -> None:
    """Leave to the system what is in memory at the process's end, instead of taking it apart object by object."""
    atexit.register(gc.freeze)
