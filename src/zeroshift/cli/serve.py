"""``zeroshift serve``."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

from zeroshift.cli.serve_limits import LimitFlags
from zeroshift.cli.shared import DEFAULT_MODEL, Loudness, ModelFlags, Text, Vgg, as_app
from zeroshift.cli.wrong import Wrong
from zeroshift.files import read_text

if TYPE_CHECKING:
    from fastapi import FastAPI

    from zeroshift.conditioning.direction import Direction
    from zeroshift.distillation.editing import StudentEditor
    from zeroshift.editor import Editor
    from zeroshift.service.limits import Limits
    from zeroshift.service.offer import Offer

ADDRESS = Group("Address", sort_key=5)
OFFERED = Group("What is offered", sort_key=21)
KEY = "ZEROSHIFT_API_KEY"
"""the environment variable with a key"""
Port: TypeAlias = Annotated[
    int,
    Parameter(group=ADDRESS, help="port; 0 takes any that is free", metavar="N", validator=Number(gte=0, lte=65535)),
]
Named: TypeAlias = tuple[str, ...]


DEFAULT_LIMITS = LimitFlags()


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(serve, "serve", "serve [OPTIONS]")


def serve(
    *,
    host: Annotated[Text, Parameter(group=ADDRESS, help="address; another than this machine's own needs a key")] = (
        "127.0.0.1"
    ),
    port: Port = 8000,
    api_keys: Annotated[
        Path | None,
        Parameter(
            group=ADDRESS,
            help=f"file with a key a line; lines with # first are comments [default the key in {KEY}, if there is one]",
        ),
    ] = None,
    host_name: Annotated[
        Named,
        Parameter(
            group=ADDRESS, help="name that the service is asked by, without keys", metavar="NAME", show_default=False
        ),
    ] = (),
    name: Annotated[
        Text | None, Parameter(group=OFFERED, help="what requests call the model [default its own]")
    ] = None,
    also: Annotated[
        Named,
        Parameter(group=OFFERED, help="a further model; may be given again", metavar="NAME=MODEL", show_default=False),
    ] = (),
    direction: Annotated[
        Named,
        Parameter(
            group=OFFERED, help="a saved edit direction; may be given again", metavar="NAME=FILE", show_default=False
        ),
    ] = (),
    student: Annotated[
        Named,
        Parameter(
            group=OFFERED, help="a student, as a model; may be given again", metavar="NAME=FOLDER", show_default=False
        ),
    ] = (),
    ui: Annotated[
        bool,
        Parameter(
            group=OFFERED, help="the first model's page as well, at /ui, with the first student among its methods"
        ),
    ] = False,
    vgg: Vgg = None,
    model: ModelFlags = DEFAULT_MODEL,
    limits: LimitFlags = DEFAULT_LIMITS,
) -> None:
    """Edit photographs over HTTP, for OpenAI's clients (images.edit) and in this package's own way.

    It can be asked from this machine alone, unless there are keys. Logs are lines of JSON on stderr. SIGINT and SIGTERM
    stop it: what runs is finished, what waits is refused.
    """
    from zeroshift.service.app import create, guarded
    from zeroshift.service.offer import Offer
    from zeroshift.service.security import check_address
    from zeroshift.service.server import listen, logged, run

    keys, taken = keys_in(api_keys), limits.limits()
    check_address(host, keys)
    others, directions = pairs(also, "also"), directions_of(pairs(direction, "direction"))
    students = pairs(student, "student")
    with listen(host, port) as where:
        editors = editors_of(model, name, others, vgg)
        offer = Offer(editors, directions, students_of(students, editors, model.model))
        app = create(offer, taken)
        if ui:
            mount_page(app, offer, model.model, students, taken)
        address = f"http://{f'[{host}]' if ':' in host else host}:{where.getsockname()[1]}{'/ui' if ui else ''}"
        print(f"zeroshift: serving {', '.join(offer.names)} at {address}", file=sys.stderr, flush=True)
        with logged():
            run(app, guarded(app, keys, {host, *host_name}), where)


def mount_page(
    app: "FastAPI", offer: "Offer", model: str | None, students: Mapping[str, str], limits: "Limits"
) -> None:
    """Put the first model's page at /ui, with the first student among the methods; ``students`` are their folders."""
    from zeroshift.ui.desk import MOST_FILE, Host
    from zeroshift.ui.serving import mount
    from zeroshift.ui.students import Offered

    editor = next(iter(offer.editors.values()))
    quick = next((Offered(one, students[name]) for name, one in offer.students.items()), None)
    turns = app.state.service.desk.turns(str(editor.backbone.device))
    host = Host(turns, limits.megapixels, limits.formats, min(MOST_FILE, limits.body_bytes))
    mount(app, editor, "/ui", model, student=quick, host=host)


def keys_in(file: Path | None) -> list[str]:
    """The keys of a file, one a line, or the one in the environment; none where there are none.

    Lines that begin with # are comments; what editors put before a file's first character is no part of a key.

    Raises:
        Wrong: the file has none, or cannot be read.
    """
    if file is None:
        return [key] if (key := os.environ.get(KEY)) else []
    try:
        lines = [line.strip() for line in read_text(file, "utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"The file of keys {file} cannot be read; give a text file (UTF-8) with a key a line.") from error
    if not (keys := [line for line in lines if line and not line.startswith("#")]):
        raise Wrong(f"The file of keys {file} has none; write one into it, or leave --api-keys out.")
    return keys


def pairs(given: Sequence[str], flag: str) -> dict[str, str]:
    """What was given as NAME=VALUE.

    Raises:
        Wrong: something has no name, no value, or another's name.
    """
    found: dict[str, str] = {}
    for text in given:
        name, _, value = text.partition("=")
        if not name or not value or name in found:
            raise Wrong(f'--{flag} "{text}" is not NAME=VALUE with a name of its own; write it so.')
        found[name] = value
    return found


def directions_of(files: Mapping[str, str]) -> "dict[str, Direction]":
    """Saved edit directions by their names.

    Raises:
        ValueError: a file is none.
    """
    from zeroshift.conditioning.direction import load_direction

    return {name: load_direction(Path(file)) for name, file in files.items()}


def students_of(
    named: Mapping[str, str], editors: "Mapping[str, Editor]", model: str | None
) -> "dict[str, StudentEditor]":
    """Students by their names; where the model that one changes is not here, the served one is tried.

    Raises:
        Wrong: one has a model's name.
        ValueError: one cannot be opened.
    """
    from zeroshift.distillation.opening import open_editor

    if both := sorted(named.keys() & editors.keys()):
        raise Wrong(f'A model and a student have the name "{both[0]}"; give them different ones.')
    return {name: open_editor(folder, beside=model) for name, folder in named.items()}


def editors_of(model: ModelFlags, name: str | None, also: Mapping[str, str], vgg: Path | None) -> "dict[str, Editor]":
    """The model, and those beside it, which run as it does.

    Raises:
        Wrong: two have one name.
        ValueError: one cannot be loaded.
    """
    from zeroshift.loading import load

    editor, _ = model.opened(Loudness(), vgg)
    found = {name or editor.backbone.identity.name: editor}
    for other, path in also.items():
        if other in found:
            raise Wrong(f'Two models have the name "{other}"; give them different ones.')
        found[other] = load(
            None if path == "shipped" else path,
            cache_dir=model.cache_dir,
            device=model.device,
            precision=model.precision,
            memory=model.memory,
        )
    return found
