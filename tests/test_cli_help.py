"""Help texts: those committed under docs/help are the ones printed, and they come quickly.

``python -m tests.test_cli_help`` writes them anew.
"""

import io
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from zeroshift.cli.help import WIDTH
from zeroshift.cli.main import VERBS, run
from zeroshift.methods import METHODS

FOLDER = Path(__file__).parent.parent / "docs" / "help"


def command_lines() -> dict[str, list[str]]:
    """Return every help text's file name and the command line that prints it."""
    lines = {"zeroshift": ["--help"], **{verb: [verb, "--help"] for verb in VERBS if verb != "edit"}}
    lines |= {f"edit-{method.name}": ["edit", "--method", method.name, "--help"] for method in METHODS}
    return (
        lines
        | {
            f"direction-{part}": ["direction", part, "--help"]
            for part in ("make", "show", "list", "compose", "import", "export")
        }
        | {f"cache-{part}": ["cache", part, "--help"] for part in ("list", "size", "clear")}
        | {"edit-student": ["edit", "--student", "FOLDER", "--help"]}
        | {f"distill-{part}": ["distill", part, "--help"] for part in ("collect", "train", "export")}
        | {f"bench-{part}": ["bench", part, "--help"] for part in ("run", "score", "report", "papers")}
    )


def printed(tokens: list[str]) -> str:
    with redirect_stdout(io.StringIO()) as out:
        assert run(tokens, debug=True) == 0
    return out.getvalue()


@pytest.mark.parametrize("name", command_lines())
def test_committed_help_is_what_is_printed(name):
    if name == "train":
        pytest.importorskip("lightning")
    text = printed(command_lines()[name])
    assert text == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= WIDTH
    assert " object at 0x" not in text


def test_no_help_is_left_over():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(command_lines())


def test_edit_without_a_method_shows_the_default_ones_options():
    assert printed(["edit", "--help"]) == printed(["edit", "--method=plug-and-play", "--help"])


def test_help_lists_the_options_of_the_chosen_kinds_alone():
    text = printed(["edit", "--method", "ddim", "--inversion", "null-text", "--extras=sampling-noise", "--help"])
    flags = {word for line in text.splitlines() for word in line.split()[:1] if word.startswith("--")}
    assert {"--inner-steps", "--negative", "--eta"} <= flags
    assert not {"--inversion-steps", "--lambda-xa", "--sentences"} & flags
    for kind in ("negative-prompt", "attention-guidance", "direction"):  # the others are named
        assert kind in text


def loaded_by(*tokens: str) -> set[str]:
    """Return the packages that a command line imports in a fresh process: they are what its time goes to."""
    code = (
        "import sys; from zeroshift.cli.main import run; "
        f"assert run({list(tokens)}, debug=True) == 0; "
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_is_quick():
    assert not {"torch", "numpy", "pydantic", "PIL", "diffusers"} & loaded_by("--help")


def test_help_of_a_method_loads_no_model_library():
    names = loaded_by("edit", "--method", "plug-and-play", "--inversion", "null-text", "--help")
    assert not {"diffusers", "transformers", "huggingface_hub", "lightning", "gradio"} & names


def test_version():
    assert printed(["--version"]).strip() == __import__("zeroshift").__version__


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, tokens in command_lines().items():
        (FOLDER / f"{name}.txt").write_text(printed(tokens), encoding="utf-8")
