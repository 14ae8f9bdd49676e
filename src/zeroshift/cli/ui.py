"""``zeroshift ui``."""

import errno
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.cli.cache import DEFAULT_CACHE, CacheFlags
from zeroshift.cli.shared import DEFAULT_MODEL, Loudness, ModelFlags, Vgg, as_app
from zeroshift.cli.wrong import Wrong


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(ui, "ui", "ui [--port N] [OPTIONS]")


def ui(
    *,
    port: Annotated[
        int | None,
        Parameter(
            help="where it listens [default the first free one from 7860 on]",
            metavar="N",
            validator=Number(gte=1, lte=65535),
        ),
    ] = None,
    student: Annotated[
        Path | None, Parameter(help="a student that stands among the methods, its hub id, or shipped", metavar="FOLDER")
    ] = None,
    open: Annotated[bool, Parameter(help="open it in the browser")] = False,
    vgg: Vgg = None,
    model: ModelFlags = DEFAULT_MODEL,
    cache: CacheFlags = DEFAULT_CACHE,
) -> None:
    """Edit photographs on a page in the browser, until Ctrl-C.

    It listens to this machine alone and sends nothing anywhere; photographs stay here. Needs zeroshift[ui].
    """
    from zeroshift.ui.serving import serve
    from zeroshift.ui.students import offered

    editor, seconds = model.opened(Loudness(), vgg, cache.place)
    quick = None if student is None else offered(str(student), model.model)
    try:
        page = serve(editor, model.model, student=quick, port=port, browser=open)
    except OSError as error:
        raise Wrong(unheard(error, port)) from error
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop by the system deletes them as well
    print(f"{page.local_url} is the page (model loaded in {seconds:.1f} s). Ctrl-C ends it.", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        page.close()  # which deletes the photographs


def unheard(error: OSError, port: int | None) -> str:
    """Why no page came of it, and what helps."""
    where = "any port from 7860 on" if port is None else f"port {port}"
    if error.errno == errno.EADDRINUSE:
        return f"Nothing can listen at {where}: other programs do; give another --port."
    if error.errno in (errno.EACCES, errno.EPERM) and port is not None:
        return f"This user may not listen at port {port} ({error.strerror}); give a --port of 1024 or more."
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOENT):
        return f"The page has no place for its files ({error.strerror}): make room, or set TMPDIR to another folder."
    return f"Nothing can listen at {where} ({error.strerror or error}); see what keeps it, or give another --port."
