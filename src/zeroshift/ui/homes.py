"""The folder of all that pages bring and make: one for a process, gone with it, or swept away by the next one."""

import atexit
import os
import platform
import re
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir, mkdtemp

from zeroshift.ui.desk import delete_if_own
from zeroshift.ui.kept import Kept

try:
    import fcntl
except ImportError:  # Windows, where no lock tells that a process has ended
    fcntl = None  # type: ignore[assignment]

PREFIX = "zeroshift-page-"
LOCK = "in-use"
"""a file that its process has locked as long as it lives, however it ends; it names the machine"""
MACHINE = Path("/etc/machine-id")
_OWN = re.compile(re.escape(PREFIX) + r"[a-z0-9_]+")


@cache
def of_process() -> Kept:
    """Where all pages of this process keep their files: Gradio has one folder for all of them.

    Raises:
        OSError: nothing can be written where the system has what is temporary.
    """
    sweep(Path(gettempdir()))
    home = Path(mkdtemp(prefix=PREFIX))
    lock(home)
    atexit.register(delete_if_own, home, os.getpid())
    return Kept(home)


def machine() -> bytes:
    """This machine, the same after it was started anew: others that share a folder do not see its locks."""
    try:
        number = MACHINE.read_text().strip()
    except OSError:
        number = ""
    return f"{platform.node()} {number}".encode()


def lock(home: Path) -> None:
    """Say that a folder is in use until this process ends; where there are no locks nobody deletes it for another."""
    if fcntl is None:
        return
    begun = home / f"{LOCK}.new"
    held = os.open(begun, os.O_CREAT | os.O_RDWR, 0o600)  # stays open as long as the process lives
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
    except OSError:
        os.close(held)
        return
    os.write(held, machine())
    begun.rename(home / LOCK)  # whoever sees it by this name sees it locked


def sweep(place: Path) -> None:
    """Delete the folders of processes that ended without doing so themselves, as when the power went."""
    for home in place.glob(f"{PREFIX}*"):
        if _OWN.fullmatch(home.name) and is_left(home):
            rmtree(home, ignore_errors=True)


def is_left(home: Path) -> bool:
    """Whether a folder is of this user on this machine and its process has ended; where nothing tells, it has not."""
    if fcntl is None or home.is_symlink():
        return False
    try:
        if home.stat().st_uid != os.getuid():
            return False
        held = os.open(home / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.read(held, 1000) == machine()
    except OSError:
        return False
    finally:
        os.close(held)
