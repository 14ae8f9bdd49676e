"""Odd values, damaged files and damaged models for the verbs beside ``edit``, which ``test_hostile`` has.

Cases are drawn with a seed, the number of the case. Each ends in one sentence, or in work that is whole.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import pytest
import torch
from PIL import Image

from tests.damage import ODD_WORDS, damage, damage_bytes
from tests.shell import Outcome, call, files, photograph, within
from tests.tiny_student import tiny_student
from zeroshift.cli import cost
from zeroshift.miniature.classifier import build_classifier, save_classifier

FEW, MANY = range(28), range(100, 500)
LIMIT = 60
"""seconds that a case may take"""
WORDS = ("--source", "cat", "--target", "dog")
HERE = ("--model", "model", "--threads", "1")
VERBS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "invert": (
        ("invert", "cat.png", "--source", "cat", "--steps", "2", "--inversion", "ddim", "-o", "new.safetensors", *HERE),
        "--source --prompt --method --seed --fit --region --size --max-megapixels --steps --report -o --lora --clip "
        "--device --precision --memory --model --threads",
    ),
    "keep": (
        ("keep", "cat.png", "edited.png", "-o", "new.png"),
        "--mask --soft --max-megapixels -o --mask-output",
    ),
    "redo": (
        ("redo", "made.png", "--model", "model", "-o", "new.png"),
        "--image --direction --mask --segmenter --student --model --clip --lora --cache-dir --vgg -o",
    ),
    "caption": (
        ("caption", "cat.png", *HERE),
        "--fit --region --max-megapixels --model --captioner --threads --lora --device",
    ),
    "cost": (("cost", "--model", "model"), "--method --model --size --steps --revision --cache-dir --guidance-scale"),
    "generate": (
        ("generate", "a cat", "--steps", "2", "-o", "new.png", *HERE),
        "--steps --guidance-scale --seed -o --model --lora --threads --precision",
    ),
    "direction make": (
        ("direction", "make", *WORDS, "--count", "2", "-o", "new.safetensors", *HERE),
        "--source --target --count -o --source-sentences --target-sentences --sentences-from --model --cache",
    ),
    "direction show": (("direction", "show", "lead.safetensors"), "--figure --json"),
    "bench run": (
        ("bench", "run", "b", "-o", "ran", "--method", "ddim", "--strengths", "1", "--count", "1", *HERE),
        "--method --strengths --plan --task --count --batch --seed -o --model",
    ),
    "bench score": (("bench", "score", "b", "edits", "-o", "new.csv"), "--source --task --count --mode --lpips -o"),
    "bench report": (("bench", "report", "scored.csv", "-o", "new.html"), "--baseline --title -o"),
    "convert": (("convert", "model", "new"), "--revision --cache-dir"),
    "distill collect": (
        ("distill", "collect", "cat.png", *WORDS, "--method", "sdedit", "--steps", "2", "-o", "pairs", "--no-gains")
        + HERE,
        "--strengths --seeds --between --min-overlap --min-gain --batch --count --method --region --mask -o --model",
    ),
    "distill export": (("distill", "export", "student", "-o", "new.onnx"), "--runtime --model -o"),
}
"""a whole command line of each verb, and some of its flags"""
RESUMED = ("bench run", "distill collect")
"""verbs that keep what is there when they are stopped or fail, and go on from it"""
READ = ("cat.png", "edited.png", "made.png", "lead.safetensors", "scored.csv", "b/items.json", "b/cat.png")
READ += ("edits/cat.png", "student/config.json", "student/model.safetensors")
"""what these read beside a model"""


@pytest.fixture(scope="module")
def made(checkpoint, tmp_path_factory, request) -> Path:
    """A folder with all that the command lines read."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(checkpoint, folder / "model")
    save_classifier(build_classifier((8,), (1,), size=16), folder / "model/classifier")
    for name, seed in (("cat.png", 0), ("edited.png", 1), ("b/cat.png", 0), ("edits/cat.png", 1)):
        (folder / name).parent.mkdir(exist_ok=True)
        photograph(folder / name, seed=seed)
    row = {name: "cat" for name in ("name", "source", "target", "source_prompt", "target_prompt", "task")}
    table = {"name": "b", "items": [row | {"picture": "cat.png", "target": "dog", "target_prompt": "a dog"}]}
    (folder / "b/items.json").write_text(json.dumps(table))
    (folder / "scored.csv").write_text("entry,item,task\nx,y,z\n")
    tiny_student(folder / "student")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(cost, "PATIENCE", 600)
    if not (made / "made.png").exists():
        monkeypatch.chdir(made)
        few = ("--method", "sdedit", "--steps", "2", *HERE)
        assert call(capsys, "edit", "cat.png", *WORDS, *few, "-o", "made.png").code == 0
        assert call(capsys, *VERBS["direction make"][0][:-5], "lead.safetensors", *HERE).code == 0
    folder = shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(folder)
    yield folder
    torch.set_num_threads(1)


def odd_flag(random: Random, verb: str) -> list[str]:
    """Flags of odd values, which come last and so take the place of others."""
    flags = VERBS[verb][1].split()
    return [word for _ in range(random.randint(1, 2)) for word in (random.choice(flags), random.choice(ODD_WORDS))]


def odd_file(random: Random, verb: str) -> list[str]:
    """One of the files that the command line reads is damaged."""
    tokens = VERBS[verb][0]
    own = [name for name in READ if name in tokens or name.partition("/")[0] in tokens]
    name = random.choice(own or READ)
    (damage_bytes if name.endswith((".csv", "b/items.json")) else damage)(random, Path(name))
    return []


def odd_part(random: Random, verb: str) -> list[str]:
    """One file of the model is damaged."""
    damage(random, random.choice([path for path in sorted(Path("model").rglob("*")) if path.is_file()]))
    return []


def run(seed: int, capsys, folder: Path) -> None:
    """Run one case, and see that it ended well."""
    random = Random(seed)
    verb = sorted(VERBS)[seed % len(VERBS)]
    kinds: list[Callable[[Random, str], list[str]]] = [odd_flag, odd_file]
    kinds += [odd_part] if "model" in VERBS[verb][0] else []
    extra = random.choice(kinds)(random, verb)
    before = files(folder)
    with within(LIMIT):
        done = call(capsys, *VERBS[verb][0], *extra)
    ended_well(done, verb, sorted(set(files(folder)) - set(before)))


def ended_well(done: Outcome, verb: str, new: list[str]) -> None:
    """See that a command did its work, or said in one sentence why not and wrote nothing."""
    errors = [line for line in done.err.splitlines() if line.startswith("zeroshift: error: ")]
    assert done.code in {0, 1, 2}, done
    assert "Traceback" not in done.err and "unexpected" not in done.err, done
    assert len(errors) == (done.code != 0), done
    assert not [name for name in new if ".tmp" in name or ".part" in name], new
    assert verb in RESUMED or done.code == 0 or not new, (done, new)
    for name in new:
        if name.endswith((".png", ".webp", ".jpg")):
            Image.open(name).load()


@pytest.mark.parametrize("seed", FEW)
def test_a_few(capsys, here, seed):
    run(seed, capsys, here)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
def test_many(capsys, here, seed):
    run(seed, capsys, here)
