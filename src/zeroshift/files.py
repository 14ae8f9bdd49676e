"""Files read without waiting, files and folders that are either whole or not there, and hashes of what was read."""

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def read_regular(path: Path) -> bytes:
    """Contents of a regular file. A pipe or a device is refused: reading one may never end.

    Raises:
        OSError: it is missing, a folder, no regular file, behind a loop of links, or cannot be read.
    """
    return regular(path).read_bytes()


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of a regular file.

    Raises:
        OSError: as ``read_regular``.
        UnicodeDecodeError: it is no such text.
    """
    return read_regular(path).decode(encoding)


def regular(path: Path) -> Path:
    """``path`` itself, for what opens files by their names; a pipe or a device is refused.

    Raises:
        OSError: it is one, or nothing is there, or a loop of links.
    """
    refuse_pipe(path)
    return path


def refuse_pipe(path: Path) -> None:
    """Refuse a pipe or a device, of which reading may never end, and which a result would take the place of.

    Raises:
        OSError: it is one, or nothing is there, or a loop of links.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))


def check_readable(path: Path, missing: str) -> None:
    """Refuse what is no regular file.

    Raises:
        ValueError: with the sentence ``missing`` where nothing is there, else with what is.
    """
    try:
        refuse_pipe(path)
        path.open("rb").close()
    except FileNotFoundError as error:
        raise ValueError(missing) from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); give another file.") from error


def check_no_pipe(path: Path, instead: str) -> None:
    """Refuse what is there and neither file nor folder; ``instead`` is what is given in its place.

    Raises:
        ValueError: it is a pipe, a device or a loop of links.
    """
    try:
        refuse_pipe(path)
    except OSError as error:
        if os.path.lexists(path) and error.errno != errno.ENOENT:
            raise ValueError(f"{path} cannot be read ({error.strerror}); give {instead}.") from error


def why_unwritable(error: OSError) -> str:
    """Why a file or folder cannot be made, in a few words."""
    if isinstance(error, FileExistsError | NotADirectoryError) and error.filename:
        place = next((one for one in (Path(error.filename), *Path(error.filename).parents) if os.path.lexists(one)), "")
        return f"{place} is no folder"
    return str(error.strerror)


def check_replaceable(path: Path) -> None:
    """Refuse to put a result in the place of a pipe, a device, a read-only file, or a link that leads nowhere.

    Raises:
        OSError: one is there.
    """
    try:
        refuse_pipe(path)
    except FileNotFoundError as error:
        if path.is_symlink():
            raise OSError(errno.ENOENT, "it is a link to a file that is not there", str(path)) from error
        return
    writable = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH  # an administrator may write what is marked read-only, too
    if not path.stat().st_mode & writable or not os.access(path, os.W_OK):
        raise OSError(errno.EACCES, "it is read-only", str(path))


def free(path: Path, taken: Container[Path] = ()) -> Path:
    """``path``, or where something has that name, link or file, the first of NAME-2, NAME-3 ... that nothing has.

    ``taken`` are names that stand for files to come. A pipe, a device or a loop of links is no file to step around: its
    name stays, and whoever writes there is refused.
    """
    found, n = path, 1
    while found in taken or _is_there(found):
        n += 1
        found = path.with_stem(f"{path.stem}-{n}")
    return found


def _is_there(path: Path) -> bool:
    try:
        refuse_pipe(path)
    except FileNotFoundError:
        return path.is_symlink()
    except OSError:
        return False
    return True


def in_utf8(name: str) -> str:
    """A name as JSON can hold it: bytes that are no UTF-8 are escaped, as in cat\\udcff.png."""
    return name.encode("utf-8", "backslashreplace").decode()


def slug(text: str) -> str:
    """A text as a short part of a file name."""
    return re.sub(r"\W+", "-", text.strip().lower()).strip("-")[:40].rstrip("-") or "edit"


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name beside ``path`` and rename it; on failure nothing remains.

    Missing parent folders are made. A link stays, and the file that it leads to is written.

    Raises:
        OSError: the folder cannot be made, is read-only or full, or what ``path`` names is no file to replace.
    """
    check_replaceable(path)
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
        os.replace(temporary, path)
    finally:  # also after Ctrl-C; after the rename there is nothing left to remove
        temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    """A name in the folder of ``path`` that no file has."""
    return path.with_name(f".zeroshift-{secrets.token_hex(8)}.tmp")


def write_safetensors(path: Path, data: bytes, what: str) -> None:
    """Write ``data`` atomically; ``what`` is what errors call such files, in the plural.

    Raises:
        ValueError: the name has another extension, or the file cannot be written.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"{what} are saved as .safetensors; give such a name instead of {path.name}.")
    try:
        write_atomically(path, data)
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({why_unwritable(error)}); choose another place.") from error


@contextmanager
def folder_atomically(path: Path) -> Iterator[Path]:
    """Fill a temporary folder beside ``path``, which must be absent or empty, and rename it at the end.

    Its name is always the same, so that what a killed process left of it is removed by the next.

    Raises:
        OSError: ``path`` holds something, or the folder cannot be made, is read-only or full.
    """
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if path.is_dir():
            path.rmdir()
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def copy_folder(source: Path, target: Path) -> None:
    """Copy all that the folder ``source`` holds into the folder ``target``, which is made if it is missing.

    Raises:
        OSError: what went wrong first; ``shutil.copytree`` goes on and tells everything in an error without a reason.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_dir():
            copy_folder(path, target / path.name)
        else:
            (target / path.name).write_bytes(read_regular(path))


def sha256_of(paths: Iterable[Path], root: Path) -> str:
    """One hash over the names (relative to ``root``) and contents of ``paths``."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(root).as_posix()} {sha256_of_file(path)}\n".encode())
    return total.hexdigest()


def sha256_of_file(path: Path) -> str:
    """The hash of a regular file's bytes.

    Raises:
        OSError: as ``read_regular``.
    """
    digest = hashlib.sha256()
    with regular(path).open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
