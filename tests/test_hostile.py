"""Anything at all as files, values and parts of a checkpoint: one sentence or a whole picture, never anything between.

Cases are drawn with a seed, the number of the case.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import torch
from PIL import Image

from tests.damage import ODD_WORDS, damage, damage_bytes
from tests.shell import METHOD, Outcome, call, edit, files, photograph, refused, within
from zeroshift.miniature.classifier import build_classifier, save_classifier

FEW, MANY = range(8), range(100, 300)
LIMIT = 60
"""seconds that a case may take: what waits for a pipe would take all of them"""
S = ("--source", "cat", "--target", "fox", "--threads", "1", "--steps", "2")
FLAGS = (
    "--fit --max-megapixels --batch --seed --threads --steps --guidance-scale --strength --strengths --method -o "
    "--inversion --conditioning --control --extras --prompt --target --source --precision --device --before-after "
    "--previews --preview-every --direction --inversion-file --vgg --clip --revision --words --sentences --lambda-xa "
    "--negative --cache-dir --region --mask --segmenter --soft --detail --size --lora --captioner --student --seeds "
    "--sheet --format --sentences-from --inversion-prompt --native --keep-exif --model --output"
).split()
INVERT = ("invert", "cat.png", "--source", "cat", "--steps", "2", "--inversion", "ddim", "-o", "x.safetensors")
LEAD = ("direction", "make", "--source", "cat", "--target", "dog", "--count", "2", "-o", "d.safetensors")


@pytest.fixture(scope="module")
def whole(checkpoint, tmp_path_factory) -> Path:
    """A checkpoint with all that can be beside its networks."""
    folder = Path(shutil.copytree(checkpoint, tmp_path_factory.mktemp("whole") / "tiny"))
    save_classifier(build_classifier((8,), (1,), size=16), folder / "classifier")
    (folder / "presets.json").write_text('{"sdedit": {"options": {"steps": 3}}, "ddim": {"options": {}}}')
    return folder


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Iterator[list[str]]:
    """A folder with a photograph; what is in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    photograph(tmp_path / "cat.png")
    yield files(tmp_path)
    torch.set_num_threads(1)


def either(done: Outcome, folder: Path, before: list[str]) -> None:
    """See that all went well, or nothing was written and one sentence says why."""
    errors = [line for line in done.err.splitlines() if line.startswith("zeroshift: error: ")]
    assert done.code in {0, 1, 2}, done
    assert "Traceback" not in done.err and "unexpected" not in done.err, done
    assert len(errors) == (done.code != 0), done
    made = sorted({name for name in files(folder) if not name.startswith("photo.")} - set(before))
    assert bool(made) == (done.code == 0), (done, made)
    for name in made:
        Image.open(folder / name).load()


def one_part(seed: int, capsys, whole: Path, folder: Path) -> Outcome:
    """Edit with a checkpoint of which one file is damaged."""
    random = Random(seed)
    names = files(whole)
    model = Path(shutil.copytree(whole, folder.parent / f"{folder.name}-model"))
    damage(random, model / random.choice(names))
    words = S[2:] if random.random() < 0.3 else S
    method = random.choice(("sdedit", "ddim"))
    return call(capsys, "edit", "cat.png", *words, "--method", method, "--model", model, "-o", "out/a.png")


def one_flag(seed: int, capsys, whole: Path, folder: Path) -> Outcome:
    """Edit with a flag or two of odd values, or a value without a flag."""
    random = Random(seed)
    odd = [word for _ in range(random.randint(1, 2)) for word in (random.choice(FLAGS), random.choice(ODD_WORDS))]
    odd = odd[random.randrange(3) == 0 :]
    method = random.choice(("sdedit", "ddim", "pix2pix-zero"))
    return call(capsys, "edit", "cat.png", "--model", whole, *S, "--method", method, *odd)


def one_picture(seed: int, capsys, whole: Path, folder: Path) -> Outcome:
    """Edit a damaged photograph, or by a damaged mask."""
    random = Random(seed)
    name = f"photo.{random.choice(('png', 'jpg', 'webp', 'gif', 'tif', 'bmp'))}"
    photograph(folder / name)
    damage_bytes(random, folder / name)
    given = random.choice(([name], ["cat.png", "--mask", name]))
    return call(capsys, "edit", *given, *S, "--method", "sdedit", "--model", whole, "-o", "out/a.png")


@pytest.mark.parametrize("case", [one_part, one_flag, one_picture])
@pytest.mark.parametrize("seed", FEW)
def test_a_few(capsys, whole, kept, tmp_path, case, seed):
    with within(LIMIT):
        done = case(seed, capsys, whole, tmp_path)
    either(done, tmp_path, kept)


@pytest.mark.slow
@pytest.mark.parametrize("case", [one_part, one_flag, one_picture])
@pytest.mark.parametrize("seed", MANY)
def test_a_thousand(capsys, whole, kept, tmp_path, case, seed):
    with within(LIMIT):
        done = case(seed, capsys, whole, tmp_path)
    either(done, tmp_path, kept)


@pytest.mark.parametrize("flag", ["--direction", "--inversion-file", "--vgg", "-o", "--before-after"])
def test_pipes_and_loops_of_links(capsys, whole, kept, tmp_path, flag):
    """Nothing waits for a pipe, and no result takes its place."""
    os.mkfifo("pipe.png")
    os.symlink("loop.png", "loop.png")
    wants_vgg = ("--extras", "refinement", "--refine-style", "1") if flag == "--vgg" else ()
    for name, said in (("pipe.png", "pipe or a device"), ("loop.png", "levels of symbolic links")):
        refused(edit(capsys, whole, "cat.png", *wants_vgg, flag, name), 1, name, said)
    assert os.path.lexists("pipe.png") and os.path.islink("loop.png")


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_inversion_or_direction(capsys, whole, kept, tmp_path, seed):
    random, made = Random(seed), ("--model", whole, "--threads", "1", "-q")
    call(capsys, *INVERT, *made)
    call(capsys, *LEAD, *made)
    flag, name = (("--inversion-file", "x.safetensors"), ("--direction", "d.safetensors"))[seed % 2]
    damage(random, tmp_path / name)
    before = files(tmp_path)
    done = call(capsys, "edit", "cat.png", *S, *METHOD, "--inversion", "ddim", "--model", whole, flag, name)
    either(done, tmp_path, before)


def test_what_is_doubtful_is_done_and_warned_of(capsys, whole, kept, tmp_path):
    for tokens in (INVERT, LEAD):
        call(capsys, *tokens, "--model", whole, "--threads", "1")
    flags = (
        *METHOD,
        "--inversion",
        "ddim",
        "--direction",
        "d.safetensors",
        "--inversion-file",
        "x.safetensors",
        "--seed",
        "5",
    )
    done = call(capsys, "edit", "cat.png", *S[:4], "--steps", "2", *flags, "--threads", "2", "--model", whole)
    assert done.code == 0, done
    lines = done.err.splitlines()
    assert "zeroshift: warning: The edit direction leads from cat to dog, and asked for is cat to fox." in lines
    for said in ('does not know "fox"', "The inversion x.safetensors was made with threads 1 instead of 2;"):
        assert len([line for line in lines if line.startswith("zeroshift: warning: ") and said in line]) == 1
