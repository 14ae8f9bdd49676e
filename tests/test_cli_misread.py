"""Command lines that lack something or have too much: usage where nothing is said, else one sentence that helps."""

import os

import pytest

from tests.shell import METHOD, call, files, photograph, refused
from zeroshift.cli import cost
from zeroshift.cli.misread import EXAMPLES
from zeroshift.cli.numbers import THREADS_PER_CORE

S = ("--source", "cat", "--target", "dog", "--method", "sdedit", "--steps", "2")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cost, "PATIENCE", 600)
    photograph(tmp_path / "cat.png")
    photograph(tmp_path / "tom.png")
    photograph(tmp_path / "-cat.png")


@pytest.mark.parametrize("verb", EXAMPLES)
def test_a_verb_alone_shows_how_it_is_used(capsys, verb):
    if verb == "train":
        pytest.importorskip("lightning")
    done = call(capsys, verb)
    usage, example, more = done.err.splitlines()
    assert (done.code, done.out) == (2, "")
    assert usage.startswith(f"Usage: zeroshift {verb} ")
    assert example == f"For example: zeroshift {EXAMPLES[verb]}" and EXAMPLES[verb].startswith(f"{verb} ")
    assert more == f"zeroshift {verb} --help tells more."


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["edit", "cat.png", *S[:4], "--method"], "--method needs a value."),
        (["invert", "cat.png", "--inversion"], "--inversion needs a value."),
        (["edit", "cat.png", "--conditioning"], "--conditioning needs a value."),
        (["edit", "cat.png", *S, "-o"], "-o needs a value."),
        (["edit", "--target", "-dog"], "--target needs a value; one that begins with a dash is written --target=-dog."),
        (["edit", "-cat.png", *S], "edit has no option -cat.png; write ./-cat.png for the file of that name."),
        (["edit", "cat.png", *S[:-1], "1.5"], "--steps of sdedit takes a whole number from 1 to 999, not '1.5'."),
        (
            ["edit", "cat.png", *S, "--seed", "1.5"],
            "--seed takes a whole number of at least 0 and below 9223372036854775808, not",
        ),
        (["edit", "cat.png", *S, "--batch", ""], "--batch takes a whole number from 1 to 64, not ''."),
        (["edit", "cat.png", *S, "--threads", "1e3"], "--threads takes a whole number of at least 1, not '1e3'."),
        (
            ["edit", "cat.png", *S, "--guidance-scale", "z"],
            "--guidance-scale of sdedit takes a number from 1 to 50, not 'z'.",
        ),
        (["edit", "", *S], "edit takes the name of a file or folder, not nothing."),
        (["edit", "cat.png", *S, "--direction", ""], "--direction is empty; give it a value, or leave it out."),
        (["edit", "cat.png", *S, "--inversion-file="], "--inversion-file is empty; give it a value, or leave it out."),
        (["redo", ""], "redo takes the name of a file or folder, not nothing."),
        (["invert", "cat.png", "tom.png", "--source", "cat"], "invert takes one photograph at a time, and tom.png is "),
        (["redo", "a", "b"], "redo takes one edited picture at a time, and b is left over; see: zeroshift redo --help"),
        (["direction", "show", "a", "b"], "direction show takes one edit direction at a time, and b is left over"),
        (["methods", "all"], "methods takes options alone, and all is left over"),
        (["cost", "sd15"], "cost takes options alone, and sd15 is left over"),
        (["cost", "--size", "1000000"], "The size must be at most 16384 pixels, not 1000000."),
        (["edit", "cat.png", "tom.png", *S, "-o", "one.png"], "one.png is the name of one picture, and 2 are to be"),
        (["edit", "cat.png", *S, "--target", "fox", "-o", "one.JPG"], "one.JPG is the name of one picture, and 2 are"),
        (["edit", "cat.png", "tom.png", *S, "-o", "one.tif"], "one.tif is the name of one picture, and 2 are to be"),
        (
            ["edit", "cat.png", *S[:4], *METHOD, "--target", "fox", "--direction", "d.safetensors"],
            "--direction leads to one target, and these are 2; give one, or leave it out.",
        ),
        (["generate", "a cat", "a dog", "-o", "one.png"], "one.png is the name of one picture, and 2 are to be"),
        (["edit", "cat.png", *S, "--fst"], "edit has no option --fst; did you mean --fast?"),
        (["edit", "cat.png", *S, "--guidence-scale=3"], "edit has no option --guidence-scale=3; did you mean --guidan"),
        (["invert", "cat.png", "--sorce", "cat"], "invert has no option --sorce; did you mean --source?"),
        (["caption", "cat.png", "--jsn"], "caption has no option --jsn; did you mean --json?"),
        (["generate", "a cat", "--sed", "3"], "generate has no option --sed; did you mean --seed?"),
        (["keep", "cat.png", "tom.png", "--sfot", "3"], "keep has no option --sfot; did you mean --soft?"),
        (["redo", "cat.png", "--imge", "tom.png"], "redo has no option --imge; did you mean --image?"),
        (["cost", "--stps", "3"], "cost has no option --stps; did you mean --steps?"),
        (
            ["direction", "make", "--source", "cat", "--traget", "dog", "-o", "x.safetensors"],
            "direction make has no option --traget; did you mean --target?",
        ),
        (["edit", "cat.png", *S[:2], "--traget=dog"], "edit has no option --traget=dog; did you mean --target?"),
        (["cost", "--zzz"], "cost has no option --zzz; see: zeroshift cost --help."),
    ],
)
def test_too_little_or_too_much(capsys, tmp_path, tokens, said):
    done = call(capsys, *tokens)
    refused(done, 2)
    assert done.err.removeprefix("zeroshift: error: ").startswith(said)
    assert files(tmp_path) == ["-cat.png", "cat.png", "tom.png"]


@pytest.mark.parametrize("name", ["../x", "./x", "x/..", ".x/y", "-x/y", "a/b/c", "x"])
def test_a_path_is_no_hub_id(capsys, name):
    """What is no folder here is not asked of the hub."""
    for flag in ("--model", "--clip"):
        refused(call(capsys, "edit", "cat.png", *S, f"{flag}={name}"), 1, "hub id", name)


def test_more_threads_than_a_machine_has_any_use_for(capsys, checkpoint):
    cores = os.cpu_count()
    done = call(capsys, "edit", "cat.png", *S, "--model", checkpoint, "--threads", "1000000")
    refused(done, 2, f"--threads takes a whole number from 1 to {THREADS_PER_CORE * cores} on the {cores} cores")


@pytest.mark.parametrize("tokens", [("--prompt=" + "a" * 300,), ("x.jpg", "--targ", "dog", "--prompt=" + "a" * 300)])
def test_a_long_sentence_is_no_file(capsys, tokens):
    done = call(capsys, "edit", *tokens)
    assert done.code == 2 and done.err.startswith(("zeroshift: error: ", "Usage: "))


def test_a_name_that_begins_with_a_dash(capsys, checkpoint, tmp_path):
    done = call(capsys, "edit", "./-cat.png", *S, "--model", checkpoint, "--threads", "1", "-o=-dog.png")
    assert done.code == 0, done
    assert (tmp_path / "-dog.png").is_file()
