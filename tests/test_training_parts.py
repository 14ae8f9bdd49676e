"""What `zeroshift train` trains beside the model: what a folder can teach, and whole trainings at tiny size."""

import csv
import errno
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zeroshift
from tests.shell import call
from zeroshift.miniature.classifier import load_classifier
from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.restorer import load_restorer
from zeroshift.miniature.segmenter import load_segmenter

pytest.importorskip("lightning")
from zeroshift.miniature.training import classifier_job, restorer_job, segmenter_job
from zeroshift.miniature.training.job import PARTS, SHARES, Job, TrainOptions, claim
from zeroshift.miniature.training.parts import Plan, hindrances, planned, put_together
from zeroshift.miniature.training.train import train

QUICK = TrainOptions(size=32, factor=4, latent_channels=4, minutes=0.02, precision="fp32")


def pets(root: Path, count: int = 16, trimaps: bool = False, columns: tuple[str, ...] = ("species",)) -> Path:
    """Red cats and blue dogs, a disc each; every fourth is held out."""
    root.mkdir()
    disc = np.hypot(*np.mgrid[-32:32, -32:32]) < 20
    rows = []
    for k in range(count):
        species = "cat" if k % 3 else "dog"
        picture = np.random.default_rng(k).integers(0, 60, (64, 64, 3), dtype=np.uint8)
        picture[disc, 0 if species == "cat" else 2] += 150
        Image.fromarray(picture).save(root / f"{k}.webp", lossless=True)
        if trimaps:
            Image.fromarray(np.where(disc, 1, 2).astype(np.uint8)).save(root / f"{k}.png")
        labels = {"species": species, "frame": "1"}
        split = "val" if k % 4 == 3 else "train"
        rows.append((f"{k}.webp", f"a photo of a {species}", split, *(labels[name] for name in columns)))
    with (root / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "caption", "split", *columns), *rows])
    return root


@pytest.fixture
def without_textures(monkeypatch):
    for job in (segmenter_job, restorer_job):
        monkeypatch.setattr(job, "PACKAGES", ("a_network_that_nobody_installed",))


@pytest.fixture
def few_channels(monkeypatch):
    """A smaller classifier, which trains as the usual one does."""
    monkeypatch.setattr(classifier_job, "WIDTHS", (8, 8, 8, 8))


def changed(folder: Path, before: str, after: str) -> CaptionedFolder:
    table = folder / "captions.csv"
    table.write_text(table.read_text().replace(before, after))
    return CaptionedFolder.open(folder)


def test_what_a_folder_cannot_teach_is_said(tmp_path, without_textures):
    data = CaptionedFolder.open(pets(tmp_path / "pets", trimaps=True))
    found = hindrances(data)
    assert [*found] == ["segmenter", "restorer"]
    for part, sentence in found.items():
        assert sentence.startswith(f"The {part} learns by a_network_that_nobody_installed; install the extra textures")
    for trimap in data.root.glob("*.png"):
        trimap.unlink()
    assert "has 0 pictures with trimaps" in hindrances(data)["segmenter"]
    cats = changed(data.root, ",dog", ",cat")
    found = hindrances(cats)
    assert [*found] == [*PARTS]
    assert found["classifier"].endswith("needs pictures of a cat and of a dog in train; name them in column species.")
    assert found["finder"] == f"It starts from a classifier. {found['classifier']}"
    assert "no pictures of train with a species" in hindrances(changed(data.root, "species", "kind"))["restorer"]


def test_with_everything_at_hand_nothing_is_left_out(tmp_path):
    for name in restorer_job.PACKAGES:
        pytest.importorskip(name)
    data = CaptionedFolder.open(pets(tmp_path / "pets", trimaps=True))
    job = Job(QUICK, tmp_path / "run", None, print)
    assert not hindrances(data) and planned(data, job) == Plan(tuple(PARTS))
    assert planned(data, replace(job, options=replace(QUICK, parts="none"))) == Plan()
    (remark,) = planned(changed(data.root, ",val,", ",test,"), job).remarks
    assert remark.startswith("classifier: cannot tell whether there is an animal at all. ")
    assert "has no cat or dog in val" in remark


def test_what_a_folder_cannot_teach_is_taken_over_and_what_was_finished_stays(tmp_path, without_textures):
    data = CaptionedFolder.open(pets(tmp_path / "pets"))
    for part in ("classifier", "segmenter"):
        (tmp_path / "model" / part).mkdir(parents=True)
    job = Job(QUICK, tmp_path / "run", tmp_path / "model", print)
    plan = planned(data, job)
    assert (plan.trained, plan.taken) == (("classifier", "finder"), (tmp_path / "model/segmenter",))
    segmenter, restorer = plan.remarks
    assert segmenter.startswith(f"segmenter: taken over from {tmp_path / 'model'}. ")
    assert restorer.startswith("restorer: left out. The restorer learns by ")
    job.done("segmenter").mkdir(parents=True)
    plan = planned(data, job)
    assert (plan.trained, plan.taken) == (("classifier", "finder", "segmenter"), ())


def test_a_segmenter_is_left_out_where_it_could_not_be_trained_or_asked(tmp_path):
    for name in segmenter_job.PACKAGES:
        pytest.importorskip(name)
    unnamed = CaptionedFolder.open(pets(tmp_path / "unnamed", trimaps=True, columns=()))
    assert "names nothing that a segmenter could be asked for" in hindrances(unnamed)["segmenter"]
    data = CaptionedFolder.open(pets(tmp_path / "pets", trimaps=True))
    assert "segmenter" not in hindrances(data)
    shutil.copy(data.root / "1.webp", data.root / "1.png")  # a picture beside a picture
    assert hindrances(data)["segmenter"].startswith("The trimap 1.png of ")


@pytest.mark.parametrize("out", [".", "run", "run/bare", "run/finder", "run/half/model"])
def test_the_model_is_not_put_where_the_run_keeps_its_own(tmp_path, out):
    folder = pets(tmp_path / "pets")
    with pytest.raises(ValueError, match="is where the run .*run keeps its own; name another folder"):
        train(folder, tmp_path / out, Job(QUICK, tmp_path / "run", None, print))
    claim(Job(QUICK, tmp_path / "run", None, print), folder, tmp_path / "run/model")


@pytest.mark.parametrize("table", ["frame", "marks"])
def test_tables_that_cannot_be_read_are_refused_before_the_work_begins(tmp_path, table):
    for name in restorer_job.PACKAGES:
        pytest.importorskip(name)
    folder, said = pets(tmp_path / "pets", columns=("species", "frame")), []
    if table == "frame":
        changed(folder, "dog,1", "dog,wide")
    else:
        (folder / "marks.csv").write_text("file,left_eye_x\n")
    with pytest.raises(ValueError, match="'wide', expected a number|marks.csv lacks the column"):
        train(folder, tmp_path / "out", Job(QUICK, tmp_path / "run", None, said.append))
    assert not said and not (tmp_path / "run").exists() and not (tmp_path / "out").exists()


@pytest.fixture
def begun(tmp_path, checkpoint):
    """A run whose model is finished: a tiny one, of which nothing is left to be trained but what comes beside it."""
    shutil.copytree(checkpoint, tmp_path / "run/bare")
    return tmp_path / "run"


def test_a_model_is_found_with_what_was_trained_beside_it(tmp_path, begun, without_textures, few_channels):
    folder, said = pets(tmp_path / "pets"), []
    job = Job(QUICK, begun, None, said.append)
    train(folder, tmp_path / "out", job)
    assert [line.partition(". ")[0] for line in said[:2]] == ["segmenter: left out", "restorer: left out"]
    classifier, figures, *others = said[2:]
    assert classifier == "classifier: trained" and others[0] == "finder: trained"
    judged = load_classifier(tmp_path / "out/classifier").figures["val_balanced_accuracy"]
    assert figures.startswith("classifier: ") and f"val_balanced_accuracy {judged:.4f}" in figures
    assert "val_found" in others[1] and others[2:] == [f"saved {tmp_path / 'out'}"]
    editor = zeroshift.load(tmp_path / "out", device="cpu")
    assert editor.captioner is not None and editor.finder is not None
    assert editor.segmenter is None and editor.restorer is None
    assert load_classifier(tmp_path / "out/classifier").network.presence_head is not None
    assert json.loads((begun / "job.json").read_text())["changeable"][0]["parts"] == "all"
    said.clear()
    shutil.rmtree(begun / "finder/done")
    before = (begun / "classifier/done/model.safetensors").stat().st_mtime_ns
    train(folder, tmp_path / "again", job)
    assert [said[2], *said[4:]] == ["finder: trained", f"saved {tmp_path / 'again'}"]
    assert (begun / "classifier/done/model.safetensors").stat().st_mtime_ns == before
    said.clear()
    train(folder, tmp_path / "bare", replace(job, options=replace(QUICK, parts="none")))
    assert said == [f"saved {tmp_path / 'bare'}"]
    assert {path.name for path in (tmp_path / "bare").iterdir()} == {path.name for path in (begun / "bare").iterdir()}
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_leaves_nothing_and_is_told_with_its_reason(tmp_path, begun):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError) as told:
            put_together(tmp_path / "out", Job(QUICK, begun, None, print), Plan())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert told.value.errno == errno.EFBIG and {path.name for path in tmp_path.iterdir()} == {"run"}


def test_parts_are_taken_over_from_the_model_to_start_from(tmp_path, begun, checkpoint, without_textures, few_channels):
    own = shutil.copytree(checkpoint, tmp_path / "own")
    (own / "segmenter").mkdir()
    (own / "segmenter/config.json").write_text("{}")
    folder, options = pets(tmp_path / "pets"), replace(QUICK, autoencoder_steps=0)
    changed(folder, ",dog", ",fox")
    train(folder, tmp_path / "out", Job(options, begun, own, print))
    beside = {path.name for path in (tmp_path / "out").iterdir()} - {path.name for path in checkpoint.iterdir()}
    assert beside == {"segmenter"} and (tmp_path / "out/segmenter/config.json").read_text() == "{}"


@pytest.mark.slow
def test_all_parts_of_a_tiny_model(tmp_path, begun, few_channels):
    for name in restorer_job.PACKAGES:
        pytest.importorskip(name)
    folder, said = pets(tmp_path / "pets", 32, trimaps=True), []
    train(folder, tmp_path / "out", Job(QUICK, begun, None, said.append))
    assert [line for line in said if line.endswith(": trained")] == [f"{part}: trained" for part in PARTS]
    editor = zeroshift.load(tmp_path / "out", device="cpu")
    assert None not in (editor.captioner, editor.finder, editor.segmenter, editor.restorer)
    assert load_segmenter(tmp_path / "out/segmenter").knows("cat")
    assert load_restorer(tmp_path / "out/restorer").knows("a photo of a dog")


@pytest.mark.slow
def test_the_command_makes_a_model_and_what_stands_beside_it(tmp_path, capsys, monkeypatch, few_channels):
    monkeypatch.chdir(tmp_path)
    folder = pets(tmp_path / "pets")
    words = ("--size=32", "--factor=4", "--latent-channels=4", "--batch=2", "--precision=fp32", "--minutes=0.1")
    done = call(capsys, "train", folder, "-o", "model", *words)
    assert done.code == 0 and done.out.strip() == "model"
    trained = [name for name in (*SHARES, *PARTS) if f"\n{name}: trained\n" in done.err]
    expected = [*SHARES, "classifier", "finder"]
    assert trained == expected or trained == [*expected, "restorer"]  # by what is installed
    assert "segmenter: left out. " in done.err
    editor = zeroshift.load(tmp_path / "model", device="cpu")
    assert editor.captioner is not None and editor.finder is not None


@pytest.mark.slow
def test_of_several_processes_one_trains_the_parts(tmp_path):
    words = ("--size=32", "--factor=4", "--latent-channels=4", "--batch=2", "--precision=fp32", "--minutes=0.05")
    folder, command = pets(tmp_path / "pets"), [sys.executable, "-m", "zeroshift", "train"]
    done = subprocess.run(
        [*command, folder, "-o", "model", *words, "--processes=2"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout == "model\n", done.stderr
    assert done.stderr.count("classifier: trained") == done.stderr.count("finder: trained") == 1
    editor = zeroshift.load(tmp_path / "model", device="cpu")
    assert editor.captioner is not None and editor.finder is not None


KILLED = """
import sys
from pathlib import Path
import torch
from tests.test_training_parts import QUICK, Job, classifier_job, replace, train

torch.set_num_threads(1)
classifier_job.WIDTHS = (8, 8, 8, 8)
folder, run = map(Path, sys.argv[1:])
train(folder, run.with_name("out"), Job(replace(QUICK, minutes=20.0), run, None, print))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_what_is_killed_in_a_part_goes_on_in_that_part(tmp_path, begun, without_textures, few_channels):
    folder = pets(tmp_path / "pets")
    train(folder, tmp_path / "first", Job(QUICK, begun, None, print))
    shutil.rmtree(begun / "finder/done")
    shutil.rmtree(begun / "finder")
    process = subprocess.Popen([sys.executable, "-c", KILLED, folder, begun])
    try:
        while not (begun / "finder/head").exists():
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not (tmp_path / "out").exists()
    said = []
    train(folder, tmp_path / "out", Job(QUICK, begun, None, said.append))
    assert [line for line in said if line.endswith(": trained")] == ["finder: trained"]
