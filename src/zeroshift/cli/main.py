"""The entry point: finds the verb, runs it, and turns what goes wrong into one sentence and an exit code."""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from importlib import import_module
from typing import NoReturn

from cyclopts import App, CycloptsError, Group

from zeroshift import __version__
from zeroshift.cli.help import PlainHelp
from zeroshift.cli.misread import EXAMPLES, how_to, misread
from zeroshift.cli.start import leave_quickly, uncollected
from zeroshift.cli.streams import NAME, dashes_named, emptied, mend_streams, named
from zeroshift.cli.typed import remember
from zeroshift.cli.wrong import Wrong, as_flags
from zeroshift.extras import lacking
from zeroshift.sentences import printable

VERBS = {
    "edit": "Translate photographs, or a picture that the model generates: a cat becomes a dog.",
    "invert": "Save a photograph's inversion, for several edits later.",
    "caption": "Say what photographs show.",
    "direction": "Make edit directions from words or sentences; show, add and exchange saved ones.",
    "cache": "List, measure or clear the encoded sentences and captions that are kept for later runs.",
    "generate": "Sample pictures from prompts.",
    "ui": "Edit photographs on a page in the browser, until Ctrl-C.",
    "keep": "Take from any editor's result what changed, and all else from the photograph.",
    "serve": "Edit photographs over HTTP, for OpenAI's clients and others.",
    "redo": "Make an edited picture again from the recipe in its file.",
    "methods": "List the editing methods, and the parts that each can exchange.",
    "convert": "Write a checkpoint as a folder in diffusers format, of one file or of pickled weights.",
    "cost": "Count what an edit costs, without running it.",
    "doctor": "Say what this machine and a checkpoint can do together.",
    "distill": "Distil an edit into a small network that makes it in milliseconds: collect pairs, train a student.",
    "train": "Train a model on a folder of captioned pictures.",
    "quality": "Measure a model on a folder of captioned pictures.",
    "bench": "Run methods on a benchmark, score anybody's edits, and set figures beside published ones.",
}
EXTRAS = {
    "lightning": "train",
    "openai": "endpoint",
    "fastapi": "serve",
    "multipart": "serve",
    "prometheus_client": "serve",
    "uvicorn": "serve",
    "gradio": "ui",
}
"""the extra that each optional library comes with"""
INTERRUPTED = 130
"""exit code after Ctrl-C"""
UNREAD = 141
"""exit code when nobody reads the output any more, as of a program that SIGPIPE ends"""
EPILOGUE = "zeroshift VERB --help tells more.  --debug shows the full traceback of an error."


def main(tokens: Sequence[str] | None = None) -> NoReturn:
    """Run one command line (default: the process's own) and exit.

    Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 stopped by Ctrl-C, 141 nobody reads on.
    """
    given = dashes_named(sys.argv[1:] if tokens is None else tokens)
    remember(given)
    mend_streams()
    if tokens is None:
        leave_quickly()
    code = run([token for token in given if token != "--debug"], debug="--debug" in given)
    code = code if emptied(sys.stdout) and emptied(sys.stderr) else code or 1
    if code == INTERRUPTED:
        # an interrupt that C code saw first (an import of torch) would make the interpreter end itself by the signal
        os._exit(code)
    sys.exit(code)


def run(tokens: list[str], debug: bool) -> int:
    """Run one command line and return its exit code."""
    try:
        # threads that wait actively slow each other down many times beside any other busy process
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        hush_warnings()
        with uncollected():
            app = app_for(tokens)
        if len(tokens) == 1 and tokens[0] in EXAMPLES:
            print(how_to(tokens[0], app), file=sys.stderr)
            return 2
        with doubts_told(quiet=bool({"--quiet", "-q", "--json"}.intersection(tokens))), named(sys.stdout):
            app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
            sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        return complain("stopped; what was not finished was not written.", INTERRUPTED)
    except BrokenPipeError:  # whoever read the output, such as head, has seen enough
        return UNREAD
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # what rich, which prints help texts, makes of it
            return UNREAD
        raise
    except CycloptsError as error:
        return complain(misread(error, tokens), 2)
    except Wrong as error:
        return complain(str(error), 2)
    except Exception as error:
        if debug:
            raise
        from zeroshift.words import DoubtfulWords

        return complain(sentence(error), 2 if isinstance(error, DoubtfulWords) else 1)


def app_for(tokens: list[str]) -> App:
    """The application with the verb that ``tokens`` name imported, the others by their names alone.

    Raises:
        Wrong: there is no such verb.
    """
    app = App(
        name="zeroshift",
        help="Zero-shot image translation with pretrained text-to-image diffusion models.",
        help_epilogue=EPILOGUE,
        version=__version__,
        help_flags=["--help", "-h"],
        help_formatter=PlainHelp(),
        help_format="plaintext",
        usage="zeroshift VERB [OPTIONS]",
        group_commands=Group("Verbs", sort_key=0),
        suppress_keyboard_interrupt=False,
    )
    options = Group("Options", sort_key=1)
    for flag in (*app.help_flags, *app.version_flags):
        app[flag].group = (options,)
    chosen = tokens[0] if tokens else "--help"
    if not chosen.startswith("-") and chosen not in VERBS:
        raise Wrong(f'There is no verb "{chosen}"; {guess(chosen)}')
    for order, (verb, line) in enumerate(VERBS.items()):
        if verb == chosen:
            app.command(import_module(f"zeroshift.cli.{verb}").command(tokens[1:]))
        else:
            app.command(f"zeroshift.cli.{verb}:command", name=verb, help=line, sort_key=order)
    return app


def guess(verb: str) -> str:
    """The verb that was meant, or all of them."""
    near = get_close_matches(verb, VERBS, n=1)
    return f"did you mean {near[0]}?" if near else f"choose one of: {', '.join(VERBS)}."


def hush_warnings() -> None:
    """Keep libraries from warning; of what is imported later, ``hush_libraries`` quiets the rest."""
    import logging
    import warnings

    warnings.filterwarnings("ignore", module=r"(PIL|torch|diffusers|transformers|huggingface_hub)\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())


@contextmanager
def doubts_told(quiet: bool) -> Iterator[None]:
    """Say on stderr what may not be as somebody thinks, each sentence once; with ``quiet`` say nothing."""
    import warnings

    from zeroshift.doubts import Doubt

    with warnings.catch_warnings():
        library = warnings.showwarning
        warnings.simplefilter("ignore" if quiet else "default", Doubt)

        def told(message: Warning | str, kind: type[Warning], *where: object) -> None:
            if issubclass(kind, Doubt):
                print("zeroshift: warning:", printable(as_flags(str(message))), file=sys.stderr)
            else:
                library(message, kind, *where)  # type: ignore[arg-type]

        warnings.showwarning = told  # type: ignore[assignment]
        yield


def sentence(error: Exception) -> str:
    """What went wrong in one sentence."""
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        return f"This needs {error.name}, which is not installed; {lacking(EXTRAS[error.name])}."
    if isinstance(error, OSError) and error.strerror:
        if error.filename:
            if error.filename == NAME:
                return f"Standard output takes no more ({error.strerror}); make room, or lead it elsewhere."
            return f"{error.filename} cannot be read or written ({error.strerror}); check the path and its permissions."
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
            return f"A file cannot be written ({error.strerror}); make room, or write elsewhere."
    first = next(iter(str(error).strip().splitlines()), "no more is known")
    return f"unexpected {type(error).__name__}: {first} (--debug shows where)."


def complain(text: str, code: int) -> int:
    """Say ``text`` on stderr in one line, options as flags, control characters escaped, and return ``code``."""
    with suppress(OSError):  # a full stream; the exit code tells
        print("zeroshift: error:", printable(as_flags(" ".join(text.split()))), file=sys.stderr)
    return code
