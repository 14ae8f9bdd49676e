"""Files that a browser says it has brought: where they lie, and why they are no good."""

import json
import logging
import re
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from zeroshift.image import ImageError
from zeroshift.ui import telling
from zeroshift.ui.desk import Host

log = logging.getLogger(__name__)
MOST_REASON = 300
"""characters of what a server says of a file that it did not take"""


def uploaded(event: Mapping[str, Any], host: Host) -> Path:
    """The file that a browser says it has brought.

    Raises:
        ImageError: it did not come, or lies elsewhere than in the folder of what was brought.
    """
    path = str(event.get("path", ""))
    file = Path(path).resolve()
    if path and file.is_relative_to(Path(get_upload_folder()).resolve()):
        return file
    said, size = str(event.get("failed", "")), event.get("size", 0)
    if isinstance(size, (int, float)) and size > host.file_bytes:
        has, may = ceil(size / 1e5) / 10, host.file_bytes // 1e5 / 10
        raise ImageError(f"That file has {has:g} MB, and a photograph may have {may:g} MB here; bring a smaller one.")
    raise ImageError(f"That file did not arrive here: {reason_in(said) or 'its connection broke off; try again.'}")


def reason_in(said: str) -> str:
    """Why a server took no file, from what it answered as Gradio's client tells it; empty where it did not answer."""
    if (answer := re.fullmatch(r"HTTP \d+: (.*)", said, re.DOTALL)) is None:
        return ""
    try:
        return str(json.loads(answer[1])["error"]["message"])[:MOST_REASON]
    except (ValueError, LookupError, TypeError):
        return answer[1][:MOST_REASON]


def wrong_with(error: Exception, file: Path, name: str) -> str:
    """What is wrong with a file that was brought, called by its name and not by where the server keeps it."""
    if telling.is_full(error):
        return f"{name} cannot be kept here ({error.strerror}): see whether the disk is full."
    if isinstance(error, OSError):
        log.error("%s cannot be read again", name, exc_info=error)
        why = f" ({error.strerror})" if error.strerror else ""
        return f"{name} cannot be read again here{why}; bring it once more."
    return telling.wrong(error).replace(str(file), name)
