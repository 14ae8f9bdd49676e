"""Benchmarks: folders that are read, runs that go on where they were, scores, statistics, reports, published rows."""

import csv
import io
import itertools
import json
import math
import random
import re
import shutil
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import pets_edit, plans
from benchmarks.regression.__main__ import EXPECTED, METHODS, items
from benchmarks.regression.expected import faults, intervals
from benchmarks.tuning import tuning
from PIL import Image
from pyarrow.parquet import read_table

import zeroshift
from tests.shell import altered, call, photograph, refused
from tests.test_several import grey_levels
from zeroshift.asked.edits import EditSpec
from zeroshift.bench import foretelling, judging, papers, resuming, scoring, statistics, summary, table
from zeroshift.bench.entries import Entry, of_model, planned, read_plan
from zeroshift.bench.foretelling import seconds_before
from zeroshift.bench.items import Benchmark, Row, Runs, picture_of, read_plain, write_plain
from zeroshift.bench.judging import BETTER, Judges, figures_of
from zeroshift.bench.matching import matched, sentences_about
from zeroshift.bench.provenance import read_provenance
from zeroshift.bench.published_folders import edit_of, open_benchmark, pairs
from zeroshift.bench.reconstructing import reconstruct, unmeasured
from zeroshift.bench.report import html_report
from zeroshift.bench.resuming import due, file_of, left
from zeroshift.bench.running import (
    Made,
    Ran,
    Step,
    read_run,
    read_times,
    run,
    seconds_for,
    together,
    took_before,
    write_run,
)
from zeroshift.bench.scoring import Scored
from zeroshift.bench.summary import summaries
from zeroshift.cli.bench import _counted, _entries, spelled
from zeroshift.cost.estimate import measure
from zeroshift.evaluation.imagenet import as_bytes
from zeroshift.evaluation.lpips import FILES
from zeroshift.evaluation.pixels import psnr
from zeroshift.framed import Encoded, stacked
from zeroshift.image.tensors import to_pictures
from zeroshift.running.looking import look_at

FEW = {"steps": 2, "conditioning": {"sentences": 10}}


def pie(root: Path) -> Path:
    """A folder as PIE-Bench's authors give it out, of two items."""
    rows = {
        "000000000000": [
            "0_random_140/000000000000.jpg",
            "a [slanted] cat",
            "a [rusty] dog",
            [3, 2, 512, 5],
            "cat dog",
        ],
        "921000000003": ["9_change_style_80/2/921.jpg", "a cat", "a sketch of a cat", [0, 512 * 512], ""],
    }
    names = ("image_path", "original_prompt", "editing_prompt", "mask", "blended_word")
    written = {
        key: {**dict(zip(names, row, strict=True)), "editing_instruction": "", "editing_type_id": row[0][0]}
        for key, row in rows.items()
    }
    root.mkdir()
    (root / "mapping_file.json").write_text(json.dumps(written))
    for row in rows.values():
        path = root / "annotation_images" / row[0]
        path.parent.mkdir(parents=True)
        Image.linear_gradient("L").resize((512, 512)).convert("RGB").save(path)
    return root


def decoded(numbers: list[int]) -> np.ndarray:
    """PIE-Bench's mask_decode, run by run and pixel by pixel."""
    flat = [0] * 512 * 512
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        for at in range(start, min(start + length, len(flat))):
            flat[at] = 1
    mask = np.array(flat).reshape(512, 512)
    mask[0, :] = mask[-1, :] = mask[:, 0] = mask[:, -1] = 1
    return mask


def test_pie_bench_is_read_as_its_evaluator_reads_it(tmp_path):
    found = open_benchmark(pie(tmp_path / "data"))
    first, second = found.items
    assert (found.name, first.name, first.source_prompt, first.target_prompt) == (
        "PIE-Bench",
        "000000000000",
        "a slanted cat",
        "a rusty dog",
    )
    assert (first.task, second.task, first.blended, second.blended) == (
        "0_random_140",
        "9_change_style_80",
        ("cat", "dog"),
        None,
    )
    assert (first.region("paper") == decoded([3, 2, 512, 5])).all()
    assert np.flatnonzero(first.region("corrected")).tolist() == [3, 4, *range(512, 517)]
    assert second.region("paper").all()
    path = tmp_path / "data/mapping_file.json"
    path.write_text(path.read_text().replace("[3, 2, 512, 5]", "[3, 2, 512]"))
    with pytest.raises(ValueError, match="not PIE-Bench's table: 000000000000.mask: .*the mask has a start without"):
        open_benchmark(tmp_path / "data")


def test_runs_are_decoded_pixel_by_pixel():
    drawn = random.Random(0)
    numbers = [n for k in range(40) for n in (drawn.randrange(6000 * k, 6000 * k + 3000), drawn.randrange(1, 3000))]
    numbers += [512 * 512 - 2, 100]  # beyond the end
    assert (Runs(tuple(numbers)).mask("paper") == decoded(numbers)).all()


def test_strips_are_cut_and_edits_are_found_by_any_of_their_names(tmp_path):
    found = open_benchmark(pie(tmp_path / "data"))
    item = found.items[0]
    strip = Image.new("RGB", (2048, 512), "red")
    strip.paste(picture_of(item), (1536, 0))
    for place in ("000000000000.jpg", "000000000000.png", "0_random_140/000000000000.png"):
        folder = tmp_path / place.replace("/", "-")
        (folder / place).parent.mkdir(parents=True)
        strip.save(folder / place)
        assert edit_of(item, found, folder) == folder / place
        assert edit_of(found.items[1], found, folder) is None
    last = scoring.last_of_strip(Image.open(folder / place))
    assert last.tobytes() == picture_of(item).tobytes() == scoring.last_of_strip(last).tobytes()


def test_one_edit_counts_for_one_item(small, tmp_path):
    """A photograph with several edits does not say which one a file is that is called like it; one task does."""
    for name in ("cat_1", "cat_2-dog", "dog_1"):
        photograph(tmp_path / f"{name}.png")
    dogs = small.of_tasks(["test cat-dog"])
    (first,) = dogs.items
    assert {item.name: edit_of(item, small, tmp_path) for item in small.items if edit_of(item, small, tmp_path)} == {
        "cat_2-dog": tmp_path / "cat_2-dog.png"
    }
    assert edit_of(first, dogs, tmp_path) == tmp_path / "cat_1.png"
    assert edit_of(first, small.drawn(1), tmp_path) is None
    ti2i = replace(small, items=tuple(replace(first, name=f"cat-{k}") for k in range(2)))
    assert [edit_of(item, ti2i, tmp_path) for item in ti2i.items] == [None, None]
    other = replace(small, items=(first, replace(first, name="cat_1", picture=tmp_path / "dog_1.png")))
    assert [edit_of(item, other, tmp_path).name for item in other.items if edit_of(item, other, tmp_path)] == [
        "cat_1.png"
    ]


def test_other_folders_are_read(tmp_path):
    ti2i = tmp_path / "imagenetr-ti2i"
    for name in ("panda/cartoon_30.jpg", "data/bear.jpg"):
        (ti2i / name).parent.mkdir(parents=True)
        photograph(ti2i / name)
    (ti2i / "imnetr-ti2i.yaml").write_text(
        '- init_img: /ImageNetR-TI2I/Panda/cartoon_30.jpg\n  target_prompts: ["a photo of a bear", "a bear toy"]\n'
        "- {init_img: data/bear.jpg, source_prompt: a bear, target_prompts: [a wolf], scale: 5, seed: 3}\n"
    )
    first, second, third = open_benchmark(ti2i).items
    assert (first.name, second.name, third.name) == ("Panda-cartoon_30-0", "Panda-cartoon_30-1", "bear-0")
    assert (first.picture, first.source_prompt, second.target) == (ti2i / "panda/cartoon_30.jpg", "", "a bear toy")
    assert (third.source, third.target, third.task) == ("a bear", "a wolf", "data")

    tasks = tmp_path / "tasks"
    for name in ("cat2dog", "horse2zebra"):
        (tasks / name / "prompt").mkdir(parents=True)
        photograph(tasks / name / "one.png")
    (tasks / "cat2dog/prompt/one.txt").write_text("a cat on a chair\n")
    cat, horse = open_benchmark(tasks).items
    assert (cat.name, cat.source, cat.source_prompt, cat.target_prompt) == (
        "cat2dog-one",
        "cat",
        "a cat on a chair",
        "a dog on a chair",
    )
    assert horse.target_prompt == "a photo of a zebra"
    (one,) = pairs(tasks / "cat2dog", "cat", "dog").items
    assert (one.name, one.target_prompt) == ("one", "a photo of a dog")
    with pytest.raises(ValueError, match="is no benchmark"):
        open_benchmark(tmp_path)
    (ti2i / "imnetr-ti2i.yaml").write_text("- {init_img: 3}")
    with pytest.raises(ValueError, match="is not a table of Plug-and-Play's"):
        open_benchmark(ti2i)
    with pytest.raises(ValueError, match="items.json is not a benchmark's table: items.0.picture is missing"):
        write_plain(tmp_path, "x", [])
        (tmp_path / "items.json").write_text('{"name": "x", "items": [{"name": "a"}]}')
        open_benchmark(tmp_path)


def pets(root: Path) -> Path:
    """A folder of photographs with captions.csv, two of each animal, one with a trimap."""
    root.mkdir()
    lines = ["file,caption,split,species"]
    for k, (name, split) in enumerate(
        [("cat_1", "test"), ("cat_2", "bench-test"), ("dog_1", "test"), ("dog_2", "train")]
    ):
        photograph(root / f"{name}.png", 48, 48, seed=k).rename(root / f"{name}.webp")
        lines.append(f"{name}.webp,a photo of a {name[:3]},{split},{name[:3]}")
    (root / "captions.csv").write_text("\n".join(lines) + "\n")
    trimap = np.full((48, 48), 2, np.uint8)
    trimap[:20], trimap[20] = 1, 3
    Image.fromarray(trimap).save(root / "cat_2.png")
    return root


@pytest.fixture
def small(tmp_path, monkeypatch, capsys) -> Benchmark:
    """Pets-Edit of a few photographs, made by its script."""
    monkeypatch.setattr("sys.argv", ["pets_edit", str(pets(tmp_path / "data")), str(tmp_path / "pets")])
    pets_edit.main()
    assert "11 edits of 3 photographs, 1 with masks" in capsys.readouterr().out
    return read_plain(tmp_path / "pets")


def test_pets_edit_is_made_of_the_named_splits(small, tmp_path):
    names = [item.name for item in small.items]
    assert names[:8] == [f"cat_{n}-{end}" for n in (1, 2) for end in ("dog", "tiger", "sketch", "painting")]
    masked = {item.name: item.region("corrected") for item in small.items if item.mask}
    assert masked.keys() == {"cat_2-dog", "cat_2-tiger"}
    assert (masked["cat_2-dog"] == (np.arange(48)[:, None] < 21).repeat(48, 1)).all()
    assert small.of_tasks(["test dog-cat"]).items[0].target_prompt == "a photo of a cat"
    with pytest.raises(ValueError, match="has no task other"):
        small.of_tasks(["other"])


def test_as_many_of_each_task_are_drawn_whatever_else_there_is(small):
    some = small.of_tasks(["test cat-dog", "test cat-sketch", "test dog-sketch"])
    many = replace(small, items=tuple(replace(small.items[0], name=f"{k}", task="one") for k in range(50)))
    drawn = {item.name for item in many.drawn(10).items}
    assert [item.task for item in some.drawn(1).items] == ["test cat-dog", "test cat-sketch", "test dog-sketch"]
    assert len(drawn) == 10
    rest = replace(many, items=tuple(item for item in many.items if item.name in drawn or int(item.name) < 25))
    assert {item.name for item in rest.drawn(10).items} == drawn


@pytest.fixture(scope="module")
def editor(checkpoint) -> zeroshift.Editor:
    return zeroshift.load(checkpoint, device="cpu")


def test_a_run_that_was_stopped_goes_on_where_it_was(small, editor, tmp_path):
    """Items go round: after two edits there is one of each entry; what fails is noted and tried again."""
    entries = [Entry("a", "ddim", FEW | {"conditioning": {}}), Entry("b", "sdedit", {"steps": 2})]
    two = small.of_tasks(["test dog-cat", "test cat-dog"])
    out = tmp_path / "out"
    steps = run(editor, two, entries, out)
    assert [(next(steps).made.entry, k) for k in range(2)] == [("a", 0), ("b", 1)]
    steps.close()
    first = file_of(out, entries[0], two.items[0])
    stamp = first.stat().st_mtime_ns
    assert len(left(two, entries, out)) == 2
    done = list(run(editor, two, entries, out))
    assert [step.total for step in done] == [2, 2] and first.stat().st_mtime_ns == stamp
    assert all(one.seconds > 0 and not one.error for one in read_times(out / "a").values())
    again = editor.edit(two.items[0].picture, entries[0].spec(two.items[0], 0)).image
    assert Image.open(first).tobytes() == again.tobytes()
    damaged = replace(two, items=(replace(two.items[0], name="gone", picture=tmp_path / "gone.png"),))
    (failed,) = run(editor, damaged, entries[:1], out)
    assert "gone.png" in failed.made.error and read_times(out / "a")["gone"].error == failed.made.error
    photograph(tmp_path / "gone.png")
    (mended,) = run(editor, damaged, entries[:1], out)
    assert not mended.made.error and not read_times(out / "a")["gone"].error
    assert not left(damaged, entries[:1], out)


def test_what_was_made_otherwise_is_not_taken_for_what_is_asked_for(small, editor, checkpoint, tmp_path):
    """Another seed, option, preset, model, word or photograph is refused with what differs, or made again."""
    one = replace(small.of_tasks(["test cat-dog"]), items=small.of_tasks(["test cat-dog"]).items[:1])
    (item,), out, entry = one.items, tmp_path / "out", Entry("a", "sdedit", {"steps": 2})
    list(run(editor, one, [entry], out, seed=1))
    path = file_of(out, entry, item)
    before = path.read_bytes()
    assert due(editor, one, [entry], out, seed=1) == []
    tuned = replace(editor, presets={"sdedit": {"inversion": {"noise_strength": 0.5}}})
    other = zeroshift.load(altered(checkpoint, tmp_path / "other", 0.0), device="cpu")
    own = entry.spec(item, 1).built(editor).inversion.noise_strength
    words = replace(one, items=(replace(item, target_prompt="a photo of a tiger", target="tiger"),))
    moved = replace(one, items=(replace(item, picture=small.items[-1].picture),))
    for by, asked, seed, of, said in (
        (editor, entry, 7, one, "with seed 1 instead of 7;"),
        (editor, replace(entry, options={"steps": 3}), 1, one, "with option steps 2 instead of 3;"),
        (tuned, entry, 1, one, f"with option inversion.noise_strength {own} instead of 0.5;"),
        (other, entry, 1, one, "with another model;"),
        (editor, replace(entry, method="ddim"), 1, one, "with method sdedit instead of ddim;"),
        (editor, replace(entry, mask="auto"), 1, one, "with mask none instead of auto;"),
        (editor, entry, 1, words, "with target prompt a photo of a dog instead of a photo of a tiger;"),
        (editor, entry, 1, moved, "of another photograph;"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"{path} was made {said} give another folder")):
            next(run(by, of, [asked], out, seed=seed))
        assert due(by, of, [asked], out, seed=seed, overwrite=True) == [(of.items[0], asked)]
    assert path.read_bytes() == before
    Image.open(path).convert("L").save(path)
    with pytest.raises(ValueError, match="was made without a recipe"):
        due(editor, one, [entry], out, seed=1)


def test_what_methods_made_is_taken_for_what_is_asked_for(small, editor, tmp_path):
    """Of a word and of a style, and with a mask: nothing in a recipe differs from what is asked for again."""
    names = ("ddim", "plug-and-play", "prompt-to-prompt", "pix2pix-zero")
    entries = [Entry(name, name, {"steps": 2}) for name in names]
    entries += [Entry("masked", "sdedit", {"steps": 2}, mask="grown", seed=4)]
    word, style = (replace(small, items=(one,)) for one in small.items if one.name in ("cat_1-dog", "cat_1-sketch"))
    for some, by in ((word, entries), (style, [*entries[:1], Entry("free", "sdedit", {"steps": 2}, mask="none")])):
        assert not [step.made.error for step in run(editor, some, by, tmp_path) if step.made.error]
        assert due(editor, some, by, tmp_path) == []


def test_every_entry_is_recorded_with_its_own_seed_and_model(small, tmp_path):
    write_run(tmp_path, small, [Entry("a"), Entry("b", seed=3)], "one", 1, "first")
    write_run(tmp_path, small, [Entry("c")], "two", 7, "second")
    ran = read_run(tmp_path)
    assert [(one.name, one.seed, one.model) for one in ran.entries] == [
        ("a", 1, "one"),
        ("b", 3, "one"),
        ("c", 7, "two"),
    ]
    assert ran.commands == ("first", "second") and read_run(tmp_path / "none") == Ran()


def test_the_rest_of_a_run_is_estimated_by_what_each_entry_took(small, tmp_path):
    """Two edits of an entry of 2 and 4 s, and one of 10 s: 16 s; failed edits tell nothing."""
    a, b = Entry("a"), Entry("b")
    todo = [(small.items[0], a), (small.items[1], a), (small.items[0], b)]
    assert seconds_for(todo, {"a": [2.0, 4.0]}) is None and seconds_for(todo, {"a": [2.0, 4.0], "b": []}) is None
    assert seconds_for(todo, {"a": [2.0, 4.0], "b": [10.0]}) == 16.0
    (tmp_path / "a").mkdir()
    (tmp_path / "a/seconds.json").write_text('{"x": {"seconds": 2, "error": ""}, "y": {"seconds": 9, "error": "no"}}')
    assert took_before([a, b], tmp_path) == {"a": [2.0], "b": []}
    assert [spelled(n) for n in (4.2, 90, 5400, 400_000)] == ["4.2 s", "1.5 min", "1.5 h", "111 h"]
    made = [Step(k, 3, Made(entry, "x", seconds)) for k, (entry, seconds) in enumerate([("a", 3), ("b", 6)], 1)]
    with redirect_stderr(io.StringIO()) as said:
        list(_counted(iter(made), todo, {}, silent=False))
    assert said.getvalue() == "about 4 s for the rest\n"


def test_a_run_is_foretold_by_its_passes(small, editor, checkpoint, tmp_path, monkeypatch):
    """An edit's cost times a pass of 10 s; what is known of an entry comes before what is counted."""
    monkeypatch.setattr(foretelling, "pass_seconds", lambda *_: 10.0)
    two, a, b = small.of_tasks(["test cat-dog", "bench-test cat-dog"]), Entry("a", "sdedit", {"steps": 2}), Entry("b")
    todo = [(item, entry) for item in two.items for entry in (a, b)]
    cost = measure(editor.method("sdedit", {"steps": 2}), model=checkpoint).first_edit_sf
    assert seconds_before(editor, todo, {"b": [100.0]}) == pytest.approx(2 * (10 * cost + 100)) and 1 < cost <= 4
    assert seconds_before(editor, todo, {"a": [1.0, 3.0], "b": [5.0]}) == 14
    assert seconds_before(editor, todo, {"b": [1.0]}, counting=100) is None
    gone = replace(two.items[0], picture=tmp_path / "gone.png")
    assert seconds_before(editor, [(gone, a)], {}) is None
    monkeypatch.undo()
    assert 0 < foretelling.pass_seconds(editor.backbone, (32, 32), 2) < 30


def test_a_timed_pass_takes_as_many_rows_as_memory_has_room_for(editor, monkeypatch):
    tried, predict = list[int](), editor.backbone.predict

    def small(x, *given, **how):
        tried.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return predict(x, *given, **how)

    monkeypatch.setattr(type(editor.backbone), "predict", lambda _, *given, **how: small(*given, **how))
    assert foretelling.pass_seconds(editor.backbone, (32, 32), 8) > 0
    assert tried == [8, 4, 2, 2]


def test_photographs_come_back_from_entries_that_invert(small, editor, tmp_path):
    """SDEdit inverts nothing; direct inversion replays its latents, so that the autoencoder alone is between. What was
    measured beside another edit than is there does not count."""
    one, direct = (
        small.of_tasks(["test cat-dog"]),
        Entry("direct", "ddim", {"steps": 2, "inversion": {"kind": "direct"}}),
    )
    entries = [direct, Entry("noised", "sdedit", {"steps": 2})]
    list(run(editor, one, entries, tmp_path))
    path = file_of(tmp_path, direct, one.items[0])
    before = path.read_bytes()
    todo = unmeasured(editor, one, entries, tmp_path)
    assert todo == [(one.items[0], direct)]
    ((item, _, decibels),) = reconstruct(editor, todo, tmp_path)
    assert path.read_bytes() == before and not unmeasured(editor, one, entries, tmp_path)
    (frame,) = look_at(editor, [item.picture], direct.spec(item, 0))
    (plain,) = to_pictures(editor.backbone.decode(Encoded(editor.backbone, stacked([frame])).x0))
    assert decibels == pytest.approx(float(psnr(as_bytes(frame.pixels), as_bytes(plain))), abs=0.01)
    folder, place = tmp_path / "direct", tmp_path / "scores.jsonl"
    assert [row.figures["reconstruction"] for *_, row in scoring.score(Judges(), one, [folder], place)] == [decibels]
    photograph(path)
    assert unmeasured(editor, one, entries, tmp_path) == todo
    assert ["reconstruction" in row.figures for *_, row in scoring.score(Judges(), one, [folder], place)] == [False]


def test_own_files_that_are_damaged_are_named_in_one_sentence(tmp_path):
    for name, text, read in (
        ("run.json", "{\n", read_run),
        ("run.json", '{"entries": [{"nome": "a"}]}', read_run),
        ("seconds.json", "", read_times),
        ("seconds.json", '{"a": 3}', read_times),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(
            ValueError, match=f"^{re.escape(str(tmp_path / name))} is damaged .*; mend it or take it away: "
        ):
            read(tmp_path)


def test_items_of_the_same_words_are_edited_together(small, editor, tmp_path):
    """Each is what it is alone, to a grey level; one that fails takes no other with it."""
    cats = tuple(item for item in small.items if item.name in ("cat_1-dog", "cat_2-dog"))
    dog = next(item for item in small.items if item.name == "dog_1-cat")
    gone = replace(cats[0], name="gone", picture=tmp_path / "gone.png")
    some = replace(small, items=(cats[0], dog, cats[1], gone))
    entries = [Entry("a", "sdedit", {"steps": 2}), Entry("b", "sdedit", {"steps": 2}, mask="auto")]
    groups = [
        (entry.name, [item.name for item in items]) for entry, items in together(left(some, entries, tmp_path), 2)
    ]
    both, single = [cats[0].name, cats[1].name], [dog.name]
    assert groups == [("a", both), ("b", both), ("a", single), ("b", single), ("a", ["gone"]), ("b", ["gone"])]
    steps = list(run(editor, some, entries[:1], tmp_path, batch=3, inversions=zeroshift.InversionMemory()))
    assert [step.done for step in steps] == [1, 2, 3, 4] and steps[-1].total == 4
    failed = {step.made.item: step.made.error for step in steps if step.made.error}
    assert failed.keys() == {"gone"} and "gone.png" in failed["gone"]
    for item in (*cats, dog):
        alone = editor.edit(item.picture, entries[0].spec(item, 0)).image
        assert grey_levels(Image.open(file_of(tmp_path, entries[0], item)), alone) <= 1
    assert entries[1].spec(dog, 0).mask == "auto" and entries[0].spec(dog, 0).mask is None


def test_entries_say_what_is_asked_for(small, tmp_path):
    word = next(item for item in small.items if item.name == "cat_1-dog")
    style = next(item for item in small.items if item.name == "cat_1-sketch")
    plain, half = planned(["pix2pix-zero"], [1, 0.5])
    assert [one.name for one in _entries(None, "ddim, sdedit", None)] == ["ddim@0.7", "ddim", "sdedit@0.7", "sdedit"]
    assert (plain.name, half.name, half.intensity) == ("pix2pix-zero", "pix2pix-zero@0.5", 0.5)
    assert half.spec(word, 3).options == {"conditioning": {"strength": 0.5}}
    assert plain.spec(word, 3) == EditSpec(
        target="dog",
        source="cat",
        method="pix2pix-zero",
        prompt="a photo of a cat",
        seed=3,
        region="none",
        second_try=False,
        restore=False,
    )
    assert plain.spec(style, 0).prompt is None and plain.spec(style, 0).source == "a photo of a cat"
    blend = Entry("p2p", "prompt-to-prompt", {"control": {"self_until": 0.6}}, blend=True)
    item = replace(style, blended=("cat", "sketch"))
    assert blend.spec(item, 0).options["control"] == {
        "self_until": 0.6,
        "blend_words": "cat,sketch",
        "amplify": "sketch=2",
    }
    assert "blend_words" not in blend.spec(style, 0).options["control"]
    for wrong, said in (
        ('[{"name": "a"}, {"name": "a"}]', "names an entry twice"),
        ('[{"name": "../a"}]', "is also a folder's"),
        ('[{"name": 3}]', "is no list of methods"),
    ):
        (tmp_path / "plan.json").write_text(wrong)
        with pytest.raises(ValueError, match=said):
            read_plan(tmp_path / "plan.json")


def test_every_recipe_of_a_published_row_is_an_edit_that_can_be_asked_for(small):
    """All of them are checked as a request is; their rows are in the table."""
    item = replace(small.items[0], blended=("cat", "dog"))
    for recipe in papers.published().recipes:
        recipe.entry.spec(item, 0)
        assert papers.table_named("pie").figures(recipe.row)


def test_recipes_name_the_model_that_their_rows_are_of():
    """The published table says so in its title: Plug-and-Play's rows are of 1.5, the others of 1.4."""
    assert "SD 1.4 (Plug-and-Play: SD 1.5)" in papers.table_named("pie").title
    for recipe in papers.published().recipes:
        version = "5" if recipe.method == "plug-and-play" else "4"
        assert recipe.entry.model is not None and recipe.entry.model.endswith(f"/stable-diffusion-v1-{version}")
    for model, count in (("CompVis/stable-diffusion-v1-4", 7), ("models/stable-diffusion-v1-5/", 2)):
        own, others = of_model(papers.plan(), model)
        assert len(own) == count and len(own) + len(others) == 9
    with pytest.raises(ValueError, match='No entry is for the model "shipped"; give CompVis/'):
        of_model(papers.plan(), "shipped")


def test_a_run_makes_the_entries_of_its_model_alone(capsys, tmp_path, checkpoint):
    root = tmp_path / "plain"
    root.mkdir()
    write_plain(root, "Plain", [Row("a", "a.png", "cat", "dog", "a cat", "a dog", "cat-dog")])
    photograph(root / "a.png")
    one, other = (
        {"name": name, "method": "sdedit", "options": {"steps": 2}, "model": model}
        for name, model in (("own", f"someone/{checkpoint.name}"), ("other", "someone/else"))
    )
    run_ = ("bench", "run", root, "-o", tmp_path / "out", "--model", checkpoint, "--threads", "1")
    (tmp_path / "plan.json").write_text(json.dumps([one, other]))
    done = call(capsys, *run_, "--plan", tmp_path / "plan.json")
    assert done.code == 0 and "1 edit made, 0 failed" in done.out and not (tmp_path / "out/other").exists()
    assert "left out, for another model: other; the same command with --model someone/else makes them" in done.err
    (made,) = json.loads((tmp_path / "out/run.json").read_text())["entries"]
    assert (made["name"], made["model"]) == ("own", checkpoint.name)
    (tmp_path / "plan.json").write_text(json.dumps([other]))
    refused(call(capsys, *run_, "--plan", tmp_path / "plan.json"), 1, "No entry is for the model", "give someone/else")


def test_the_whole_comparison_is_of_edits_that_can_be_asked_for(small):
    """Each has a name of its own; the matrix leaves out what makes no sense, and has each method's own inversion."""
    word, style = (next(item for item in small.items if item.name == f"cat_1-{end}") for end in ("dog", "sketch"))
    grid = plans.matrix(word)
    for entries in (plans.defaults(), grid, plans.ablations(), plans.diversity(), tuning()):
        assert len({entry.name for entry in entries}) == len(entries) >= 16
        for entry in entries:
            entry.spec(word, 0)
            entry.spec(style, 0)
    names = {entry.name for entry in grid}
    assert {"regularised+pix2pix-zero", "direct+plug-and-play", "edit-friendly+prompt-to-prompt"} <= names
    assert "random+pix2pix-zero" not in names
    intensities = [(entry.method, entry.intensity) for entry in plans.defaults() if entry.mask is None]
    assert len(set(intensities)) == 2 * len({method for method, _ in intensities}) == 16


PAPER = {"benchmark": "PIE-Bench", "mode": "paper"}


def scored(entry: str, item: str, seconds: float = 1.0, **figures: float) -> Scored:
    return Scored(entry, item, "task", {name.replace("_", "-"): value for name, value in figures.items()}, seconds)


def test_edits_are_scored_once_and_again_when_anything_changed(small, tmp_path):
    """A folder by anybody, a row each; a second round reads them back; with another mask they are scored anew."""
    edits = tmp_path / "edits" / "tool"
    edits.mkdir(parents=True)
    items = [item for item in small.items if item.name in ("cat_2-dog", "cat_1-dog")]
    for k, item in enumerate(items):
        Image.blend(picture_of(item), Image.new("RGB", (48, 48), "blue"), 0.2 + 0.1 * k).save(
            edits / f"{item.name}.png"
        )
    place, folders = tmp_path / "scores.jsonl", scoring.entries_in(tmp_path / "edits")
    assert folders == [edits]
    first = [row for _, _, row in scoring.score(Judges(), small, folders, place)]
    assert [row.item for row in first] == ["cat_1-dog", "cat_2-dog"]
    assert math.isnan(first[0].figures.get("mse-outside", math.nan)) and first[1].figures["mse-outside"] > 0
    for row, item in zip(first, sorted(items, key=lambda one: one.name), strict=True):
        assert row.figures == figures_of(Judges(), item, picture_of(item), Image.open(edits / f"{item.name}.png"))
    with place.open("a") as lines:
        lines.write('{"entry": "too')  # what a process that was killed leaves
    again = [row for _, _, row in scoring.score(Judges(), small, folders, place)]
    assert again == first and len(place.read_text().splitlines()) == 3
    paper = [row for _, _, row in scoring.score(Judges("paper"), small, folders, place)]
    share = 21 / 48
    assert paper[1].figures["mse-inside"] == pytest.approx(first[1].figures["mse-inside"] * share, rel=1e-5)
    with place.open("a") as lines:
        lines.write("[1, 2]\n")
    with pytest.raises(ValueError, match=f"Line 5 of {re.escape(str(place))} is no row of scores; take it away"):
        list(scoring.score(Judges(), small, folders, place))
    place.write_text(place.read_text().replace("[1, 2]\n", ""))
    Image.new("L", (48, 48), 255).save(small.root / "masks/cat_2.png")
    changed = [row for _, _, row in scoring.score(Judges(), small, folders, place)]
    assert changed[0] == first[0] and math.isnan(changed[1].figures["mse-outside"])


def test_what_was_scored_is_told_as_it_is_now(small, tmp_path):
    """Benchmark, mode, judges, seconds and places are those of this scoring, though figures are kept."""
    item, place = small.items[0], tmp_path / "scores.jsonl"
    photograph(tmp_path / "a" / f"{item.name}.png") if (tmp_path / "a").mkdir() is None else None
    ((_, _, row),) = scoring.score(Judges(), small, [tmp_path / "a"], place)
    assert (row.benchmark, row.mode, row.judges) == ("Pets-Edit", "corrected", "{}") and math.isnan(row.seconds)
    (tmp_path / "a" / "seconds.json").write_text(json.dumps({item.name: {"seconds": 2.5, "error": ""}}))
    ((_, _, again),) = scoring.score(Judges(), replace(small, name="other"), [tmp_path / "a"], place)
    assert (again.benchmark, again.seconds, again.figures) == ("other", 2.5, row.figures)
    assert len(place.read_text().splitlines()) == 1


def test_a_picture_that_cannot_be_read_stops_no_other(small, tmp_path):
    first, second = small.items[:2]
    folder, place, broken = tmp_path / "a", tmp_path / "scores.jsonl", []
    folder.mkdir()
    (folder / f"{first.name}.png").write_bytes(b"no picture")
    photograph(folder / f"{second.name}.png")
    with pytest.raises(ValueError, match=first.name):
        list(scoring.score(Judges(), small, [folder], place))
    (row,) = [row for _, _, row in scoring.score(Judges(), small, [folder], place, broken)]
    assert row.item == second.name and len(broken) == 1 and f"{first.name}.png" in broken[0]


def test_what_is_scored_by_nothing_is_named(small, tmp_path):
    """Files that are called like no item or like several, and items without an edit; those of other tasks are known."""
    folder = tmp_path / "edits" / "a"
    folder.mkdir(parents=True)
    for name in ("cat_1", "cat_2-dog", "cat_2-dog-edited", "dog_1-cat"):
        photograph(folder / f"{name}.png")
    found = matched(small, [folder])
    assert [(item.name, path.name) for _, item, path in found.edits] == [
        ("cat_2-dog", "cat_2-dog.png"),
        ("dog_1-cat", "dog_1-cat.png"),
    ]
    names = [item.name for item in small.items if item.name not in ("cat_2-dog", "dog_1-cat")]
    assert found.missing == {"a": names} and len(names) == 9
    shared, unknown, missing = sentences_about(found, tmp_path / "edits")
    assert shared.startswith("Not scored, called like a photograph that has several edits;") and "a/cat_1.png" in shared
    assert unknown == "Not scored, called like no item: a/cat_2-dog-edited.png."
    assert missing == f"Without an edit in a: {', '.join(names[:3])} and 6 more."
    dogs = matched(small.of_tasks(["bench-test cat-dog"]), [folder])
    assert [path.name for path in dogs.unknown] == ["cat_2-dog-edited.png"] and not dogs.missing
    assert not matched(small.drawn(1), [folder]).unknown[1:]


def test_edits_of_other_tasks_are_known_by_any_of_their_names(tmp_path):
    """A strip of another task lies in its task's folder, as PIE-Bench's authors write them."""
    found = open_benchmark(pie(tmp_path / "data"))
    for name in ("0_random_140/000000000000.png", "9_change_style_80/2/921.png", "921.png"):
        path = tmp_path / "edits" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph(path)
    some = matched(found.of_tasks(["0_random_140"]), [tmp_path / "edits"])
    assert len(some.edits) == 1 and not some.unknown and not some.shared


def test_own_files_are_read_once_for_all_rows(small, editor, tmp_path, monkeypatch):
    """The seconds of an entry once, not once a row; a photograph's hash once, not once an entry."""
    read, hashed = list[Path](), list[Path]()
    seconds, sha = scoring.read_times, resuming.sha256_of_file
    monkeypatch.setattr(scoring, "read_times", lambda path: read.append(path) or seconds(path))
    monkeypatch.setattr(resuming, "sha256_of_file", lambda path: hashed.append(path) or sha(path))
    two, entries = small.of_tasks(["test cat-dog", "bench-test cat-dog"]), [Entry("a", "sdedit"), Entry("b", "sdedit")]
    for entry in entries:
        (tmp_path / entry.name).mkdir()
        for item in two.items:
            shutil.copy(item.picture, tmp_path / entry.name / f"{item.name}.png")
    assert len(list(scoring.score(Judges(), two, [tmp_path / "a", tmp_path / "b"], tmp_path / "scores.jsonl"))) == 4
    assert read == [tmp_path / "a", tmp_path / "b"]
    monkeypatch.setattr(resuming, "facts_of", lambda path: {"seed": 1})
    assert len(due(editor, two, entries, tmp_path, overwrite=True)) == 4
    assert hashed == [item.picture for item in two.items]


def test_tasks_that_are_run_apart_have_one_seed(small, editor, tmp_path):
    """The edits of another task that lie there were made with another seed: one entry would be of two."""
    cats, dogs = small.of_tasks(["test cat-dog"]), small.of_tasks(["test dog-cat"])
    entry = Entry("a", "sdedit", {"steps": 2})
    list(run(editor, cats, [entry], tmp_path, seed=0))
    assert len(due(editor, dogs, [entry], tmp_path, seed=0)) == 1
    said = "a/cat_1-dog.png, which is of none of these items, was made with seed 0 instead of 1, and an entry is one"
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=re.escape(said)):
            due(editor, dogs, [entry], tmp_path, seed=1, overwrite=overwrite)
    with pytest.raises(ValueError, match="was made with method sdedit instead of ddim, and an entry"):
        due(editor, dogs, [replace(entry, method="ddim")], tmp_path)
    assert len(due(editor, small, [entry], tmp_path, seed=1, overwrite=True)) == len(small.items)
    assert len(due(editor, dogs, [replace(entry, name="b")], tmp_path, seed=1)) == 1


def test_tables_are_read_back(tmp_path):
    rows = [scored("a", "x", psnr=20.5, imagenet_success=1.0), scored("b", "x", math.nan, psnr=math.inf)]
    table.write_csv(rows, tmp_path / "t.csv")
    head, *lines = list(csv.reader((tmp_path / "t.csv").read_text().splitlines()))
    assert head[:6] == ["entry", "item", "task", "seconds", "imagenet-success", "psnr"]
    assert lines[1][3:6] == ["", "", "inf"]
    back = table.read_csv(tmp_path / "t.csv")
    assert back[0] == rows[0] and back[1].figures["psnr"] == math.inf and math.isnan(back[1].seconds)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is not a table of scored edits"):
        table.read_csv(tmp_path / "t.csv")
    for text in ("", ",".join(head) + "\n"):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(ValueError, match="t.csv has no edits in it; make a table with bench score"):
            table.read_csv(tmp_path / "t.csv")


def test_parquet_has_the_same_table(tmp_path):
    rows = [scored("a", "x", psnr=20.5, imagenet_success=1.0), scored("b", "x", psnr=math.nan)]
    table.write_parquet(rows, tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet").to_pylist()
    assert [(row["entry"], row["psnr"], row["imagenet-success"]) for row in found] == [
        ("a", 20.5, 1.0),
        ("b", None, None),
    ]


def test_intervals_are_those_of_the_bootstrap():
    """Near the normal one for many items; the extremes for a few; nothing of one."""
    values = np.random.default_rng(0).normal(3, 2, 400).tolist()
    mean = statistics.mean_of([*values, math.nan])
    half = 1.96 * np.std(values) / 20
    assert (mean.count, mean.value) == (400, pytest.approx(np.mean(values)))
    assert (mean.low, mean.high) == pytest.approx((mean.value - half, mean.value + half), abs=0.12 * half)
    # of two items a mean is either or between, each with a quarter's probability
    assert (statistics.mean_of([0.0, 1.0]).low, statistics.mean_of([0.0, 1.0]).high) == (0.0, 1.0)
    assert math.isnan(statistics.mean_of([2.0]).low) and statistics.mean_of([2.0]).value == 2
    assert statistics.mean_of([math.inf, 1.0]).value == math.inf
    assert statistics.mean_of([]).count == 0


def test_shares_have_wilsons_interval():
    """Its ends are the shares p at which |share - p| is z standard errors of p; a few that all succeed are not sure."""
    for hits in ([1.0] * 3 + [0.0] * 5, [1.0, 0.0], [1.0] * 12, [0.0] * 7, [1.0]):
        found, n = statistics.share_of([*hits, math.nan]), len(hits)
        ends = [end for end in (found.low, found.high) if 0 < end < 1]
        assert (found.count, found.value) == (n, np.mean(hits)) and found.low <= found.value <= found.high
        assert ends and [abs(np.mean(hits) - p) / math.sqrt(p * (1 - p) / n) for p in ends] == [
            pytest.approx(1.959964, rel=1e-5)
        ] * len(ends)
    assert statistics.share_of([1.0] * 12).low == pytest.approx(1 / (1 + 1.959964**2 / 12))
    assert statistics.share_of([math.nan]).count == 0


def score_by_likelihood(wins: int, losses: int, n: int, apart: float) -> float:
    """Tango's statistic with the nuisance share found by trying: the likeliest of 200,001."""
    q = np.linspace(max(0, -apart), (1 - apart) / 2, 200_001)[1:-1]
    terms = [(wins, q + apart), (losses, q), (n - wins - losses, 1 - 2 * q - apart)]
    best = q[np.argmax(sum(count * np.log(share) for count, share in terms if count))]
    return (wins - losses - n * apart) / math.sqrt(n * (2 * best + apart * (1 - apart)))


@pytest.mark.parametrize(("wins", "losses", "n"), [(3, 0, 24), (0, 2, 12), (4, 7, 40), (1, 1, 5), (2, 2, 4)])
def test_differences_of_success_have_tangos_interval(wins, losses, n):
    """At its ends the score, by a likelihood maximised anew, is what is not yet rejected."""
    one = [True] * wins + [False] * losses + [True] * (n - wins - losses)
    other = [False] * wins + [True] * losses + [True] * (n - wins - losses)
    low, high = statistics.paired_interval(one, other)
    assert low < (wins - losses) / n < high
    assert statistics.paired_interval(other, one) == pytest.approx((-high, -low))
    for end, z in ((low, 1.959964), (high, -1.959964)):
        assert score_by_likelihood(wins, losses, n, end) == pytest.approx(z, rel=1e-3)


def test_edits_that_never_differ_may_still_lose_what_so_few_allow():
    for n in (1, 12, 24, 150):
        for level, z in ((0.95, 1.959964), (0.9, 1.644854)):
            end = z**2 / (n + z**2)
            found = statistics.paired_interval([True] * n, [True] * n, level)
            assert found == pytest.approx((-end, end), abs=1e-6)
    apart = statistics.difference([1.0] * 12 + [math.nan], [1.0] * 13, success=True)
    assert (apart.mean.value, apart.mean.count, apart.p) == (0, 12, 1) and apart.mean.low < -0.2
    assert statistics.difference([1.0, 1.0], [1.0, 1.0]).mean.low == 0  # of any other figure, the bootstrap's
    with pytest.raises(ValueError, match="no interval without items"):
        statistics.paired_interval([], [])


def test_mcnemar_is_the_exact_test():
    """Against counting all ways in which items that differ could have fallen."""
    for wins, losses in ((0, 0), (3, 0), (5, 2), (4, 4), (1, 9)):
        one = [True] * wins + [False] * losses + [True, False]
        other = [False] * wins + [True] * losses + [True, False]
        n = wins + losses
        as_far = sum(abs(sum(ways) - n / 2) >= abs(wins - n / 2) for ways in itertools.product((0, 1), repeat=n))
        assert statistics.mcnemar(one, other) == pytest.approx(as_far / 2**n)


def test_differences_are_paired_over_items_that_both_have():
    rows = [scored("a", f"{k}", psnr=20.0 + k, imagenet_success=float(k > 0)) for k in range(4)]
    rows += [scored("b", f"{k}", psnr=18.0 + 2 * k, imagenet_success=math.nan if k == 3 else 1.0) for k in (3, 0, 1)]
    _, b = summaries(rows, "a")
    assert b.beside["psnr"].mean.value == pytest.approx(np.mean([3 - 2, 0 - 2, 1 - 2]))
    assert (b.beside["imagenet-success"].mean.count, b.beside["imagenet-success"].p) == (2, 1.0)
    assert b.means["imagenet-success"] == statistics.share_of([1.0, 1.0])
    assert -1 < b.beside["imagenet-success"].mean.low < 0 < b.beside["imagenet-success"].mean.high
    assert b.means["imagenet-success"].count == 2 and b.items == 3
    with pytest.raises(ValueError, match="There is no c among what is compared: a, b"):
        summaries(rows, "c")


def test_published_rows_are_as_printed():
    """Spot checks against the tables, in the units of scored tables; the bands hold the pair that they come from."""
    row = papers.table_named("pie").figures("direct + pix2pix-zero")
    assert row["structure-distance"] == pytest.approx(0.04922) and row["mse-outside"] == pytest.approx(0.012732)
    assert row["ssim-outside"] == pytest.approx(0.7705) and row["psnr-outside"] == 21.53
    own = papers.table_named("pix2pix-zero").figures("cat to dog: pix2pix-zero")
    assert own == pytest.approx({"clip-accuracy": 0.924, "lpips-outside": 0.182, "structure-distance": 0.044})
    local = papers.table_named("pie-h-edit").figures("null-text")
    assert local["structure-distance"] == pytest.approx(0.0134) and local["clip-score"] == pytest.approx(24.8)
    second = {"structure-distance": 0.05113, "psnr-outside": 21.23, "lpips-outside": 0.14387, "mse-outside": 0.0135}
    assert all(one.near in (True, None) for one in papers.near(row, second | {"ssim-outside": 0.7}))
    far = {name: value * 1.07 for name, value in row.items()}
    assert [one.figure for one in papers.near(row, far) if one.near is False] == list(second)
    for one in papers.published().tables:
        assert all(len(cells) == len(one.columns) + 1 for cells in one.rows)
        assert set(one.columns) <= {*BETTER, "seconds", "local-clip", "hpsv3", "edit-score"}
    with pytest.raises(ValueError, match='There is no table "x"; there are pie, '):
        papers.table_named("x")


def test_bands_hold_what_they_say_and_no_more():
    """Of 0.05, 4 % are 0.002, and 4.49 % are more; the pair of publications that a band comes from is inside."""
    bands = papers.published().bands
    assert bands["structure-distance"].holds(0.05, 0.052) and not bands["structure-distance"].holds(0.05, 0.052245)
    assert bands["psnr-outside"].holds(21.53, 21.23) and not bands["psnr-outside"].holds(21.53, 21.22)
    assert bands["mse-outside"].holds(127.32, 135.0) and not bands["mse-outside"].holds(127.32, 135.1)
    assert bands["lpips-outside"].holds(138.98, 143.87) and not bands["lpips-outside"].holds(100.0, 104.1)


def test_later_published_rows_are_as_printed():
    later = papers.table_named("pie-later").figures
    assert later("SSD")["mse-outside"] == pytest.approx(0.00866) and later("SSD + CDS")["clip-score"] == 25.12
    assert later("FlowEdit, SD3 (ChordEdit's table)")["seconds"] == 7.22
    assert later("direct + Plug-and-Play (ChordEdit's table)")["lpips-outside"] == pytest.approx(0.1063)
    assert papers.table_named("pie-infedit").figures("null-text + P2P") == {"seconds": pytest.approx(132.39 + 12.90)}
    assert papers.table_named("pie-flow").figures("DirectEdit, SD3.5")["psnr-outside"] == 31.82
    layered = papers.table_named("pie-layerverse").figures("FireFlow + LayerVerse, FLUX.1")
    assert layered["edit-score"] == 5.05 and layered["structure-distance"] == pytest.approx(0.00936)
    assert papers.table_named("seconds").figures("LEDITS++, A100") == {"seconds": 1.78}


def test_the_report_is_one_file_with_everything(small, tmp_path, monkeypatch):
    """It names its commands, has a line per entry, a curve per method, pictures inside, and asks nothing of the net."""
    monkeypatch.setattr(summary, "ALL", 3)
    edits, entries = tmp_path / "edits", [*planned(["ddim"], [0.5, 1]), Entry("direct+p2p", "prompt-to-prompt")]
    rows, items = [], small.items[:3]
    for n, entry in enumerate(entries):
        (edits / entry.name).mkdir(parents=True)
        for k, item in enumerate(items):
            path = edits / entry.name / f"{item.name}.png"
            Image.new("RGB", (48, 48), (20 * n, 30 * k, 0)).save(path)
            figures = {"imagenet-success": float(k != n), "psnr": 20.0 + n + k, "lpips-outside": 0.1 * (n + 1)}
            rows.append(
                Scored(
                    entry.name, item.name, item.task, figures, 2.0, source=str(item.picture), edit=str(path), **PAPER
                )
            )
    page = html_report(rows, entries, ["zeroshift bench run <x>"], "ddim", "Comparison & more")
    assert "zeroshift bench run &lt;x&gt;" in page and "Comparison &amp; more" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "http" not in page
    cases, beside = page[page.index("<h2>Cases") :], page[page.index("<h2>Side by side") : page.index("<h2>Cases")]
    count = "data:image/webp;base64,"
    assert cases.count(count) == 2 * sum(len({"best", "median", "worst", "failed"}) for _ in entries)
    assert "<th>photograph</th><th>ddim@0.5</th><th>ddim</th><th>direct+p2p</th>" in beside
    # two items of the first entry succeed: the better one is its best, the other median and worst
    assert re.findall(r"<tr><td>(\w+)<br><small>([\w-]+)", beside) == [
        ("best", items[2].name),
        ("median", items[1].name),
    ]
    assert beside.count(count) == 2 * (1 + len(entries))
    heads = re.findall("<th>(.*?)</th>", page)[:8]
    assert heads == ["", "items", "imagenet-success ↑", "lpips-outside ↓", "seconds ↓", "psnr ↑"] + heads[6:]
    (svg,) = re.findall(r"<svg.*?</svg>", page)
    assert ">1</text>" in svg and ">0</text>" in svg
    assert svg.count("<polyline") == 2 and svg.count("<circle") == 3  # the two intensities of ddim are one line
    assert "+1" in page and "p 1" in page
    assert "Beside published figures" in page and "<td>near</td>" not in page and "<td>not near</td>" in page
    assert "Benchmark PIE-Bench, mode paper, judges not known." in page
    judged = [replace(row, mode="corrected", judges='{"clip": "a/clip"}') for row in rows]
    page = html_report(judged, entries, [], None, "Comparison")
    assert "Benchmark PIE-Bench, mode corrected, judges clip: a/clip." in page and "near</td>" not in page
    assert "Nothing is set beside direct+p2p: published rows are of PIE-Bench in the mode paper" in page
    monkeypatch.setattr(summary, "ALL", 700)
    page = html_report(rows, entries, [], None, "Comparison")
    assert "beside direct+p2p: published rows are of all 700 items of PIE-Bench, and these are 3." in page
    assert "near</td>" not in page


def short(folder: Path) -> Path:
    """A plan of one entry in two steps."""
    (folder / "short.json").write_text('[{"name": "sdedit", "method": "sdedit", "options": {"steps": 2}}]')
    return folder / "short.json"


def test_commands_refuse_what_makes_no_sense(capsys, tmp_path, checkpoint, monkeypatch):
    root = tmp_path / "plain"
    root.mkdir()
    photograph(root / "a.png")
    write_plain(root, "Plain", [Row("a", "a.png", "cat", "dog", "a cat", "a dog", "cat-dog")])
    out = ("-o", tmp_path / "out", "--model", checkpoint)
    refused(call(capsys, "bench", "run", tmp_path, *out), 1, "is no benchmark")
    refused(call(capsys, "bench", "run", root, *out, "--method", "none"), 2, "none")
    refused(call(capsys, "bench", "run", root, *out, "--task", "x"), 2, "Plain has no task x; it has cat-dog")
    refused(call(capsys, "bench", "score", root, root, "--source", "cat"), 2, "--source and --target")
    refused(call(capsys, "bench", "score", root, tmp_path / "none"), 1, "There is no folder")
    refused(call(capsys, "bench", "report", root / "a.csv", "-o", tmp_path / "r.html"), 1, "is not a table")
    refused(call(capsys, "bench", "papers", "--table", "x"), 2, 'There is no table "x"')
    run_ = ("bench", "run", root, *out, "--threads", "1", "--plan", short(tmp_path))
    done = call(capsys, *run_, "-q")
    assert done.code == 0 and (tmp_path / "out/sdedit/a.png").is_file()
    facts = json.loads((tmp_path / "out/run.json").read_text())
    assert [one["name"] for one in facts["entries"]] == ["sdedit"] and facts["benchmark"] == "Plain"
    again = call(capsys, *run_)
    assert again.code == 0 and "0 of 1 edit to make: 1 item, 1 entry\n" in again.err
    monkeypatch.setattr(foretelling, "pass_seconds", lambda *_: 3600.0)
    shutil.rmtree(tmp_path / "out/sdedit")
    assert re.search(r"1 of 1 edit to make: 1 item, 1 entry; about [\d.]+ h\n", call(capsys, *run_).err)
    refused(
        call(capsys, *run_, "--seed", "3", "-q"), 1, "sdedit/a.png was made with seed 0 instead of 3", "--overwrite"
    )
    assert "1 edit made, 0 failed" in call(capsys, *run_, "--seed", "3", "--overwrite").out
    (entry,) = [
        one for one in json.loads((tmp_path / "out/run.json").read_text())["entries"] if one["name"] == "sdedit"
    ]
    assert entry["seed"] == 3
    refused(
        call(capsys, "bench", "run", root, *out, "--method", "sdedit,sdedit"),
        2,
        "--method has one of sdedit, sdedit twice",
    )
    refused(call(capsys, "bench", "run", root, *out, "--strengths", "1,1"), 2, "--strengths has one of 1.0, 1.0 twice")
    refused(call(capsys, "bench", "run", root, *out, "--strengths", "abc"), 2, "--strengths takes numbers")


def test_a_run_of_which_edits_fail_says_so_and_tries_them_again(capsys, tmp_path, checkpoint):
    root = tmp_path / "plain"
    root.mkdir()
    write_plain(root, "Plain", [Row("a", "a.png", "cat", "dog", "a cat", "a dog", "cat-dog")])
    run_ = ("bench", "run", root, "-o", tmp_path / "out", "--model", checkpoint, "--threads", "1")
    run_ += ("--plan", short(tmp_path))
    failed = call(capsys, *run_)
    assert failed.code == 1 and "0 edits made, 1 failed" in failed.out
    assert "failed: sdedit/a: " in failed.err and "1 of 1 edit could not be made" in failed.err
    again = call(capsys, *run_, "--json")
    assert again.code == 1 and list(json.loads(again.out)["failed"]) == ["sdedit/a"]
    photograph(root / "a.png")
    mended = call(capsys, *run_)
    assert (
        mended.code == 0 and "1 item, 1 entry; 1 failed before" in mended.err and "1 edit made, 0 failed" in mended.out
    )


def test_reconstructions_that_fail_are_told_after_the_run(capsys, tmp_path, checkpoint):
    root = tmp_path / "plain"
    root.mkdir()
    write_plain(root, "Plain", [Row(name, f"{name}.png", "cat", "dog", "a cat", "a dog", "cat-dog") for name in "ab"])
    photograph(root / "a.png")
    photograph(root / "b.png")
    run_ = ("bench", "run", root, "-o", tmp_path / "out", "--model", checkpoint, "--threads", "1", "--json", "-q")
    (tmp_path / "ddim.json").write_text('[{"name": "ddim", "method": "ddim", "options": {"steps": 2}}]')
    run_ += ("--plan", tmp_path / "ddim.json")
    assert call(capsys, *run_).code == 0
    (root / "a.png").unlink()
    done = call(capsys, *run_, "--reconstruct")
    assert done.code == 1 and list(json.loads(done.out)["not_measured"]) == ["ddim/a"]
    assert list(json.loads((tmp_path / "out/ddim/reconstruction.json").read_text())) == ["b"]
    assert "1 reconstruction could not be measured" in done.err


def test_published_rows_are_printed(capsys, tmp_path):
    done = call(capsys, "bench", "papers", "--table", "pie", "--plan", tmp_path / "plan.json")
    assert re.search(r"DDIM \+ P2P +69.43 +17.87 +208.80 +219.88 ", done.out) and "mse-outside: 6.1%" in done.out
    assert re.search(r"direct \+ pix2pix-zero +49.22 +21.53 +138.98 +127.32 +77.05 +23.31 +21.05\n", done.out)
    assert [one.name for one in read_plan(tmp_path / "plan.json")] == [r.name for r in papers.published().recipes]
    row = scored("direct+pix2pix-zero", "x", psnr_outside=21.6, mse_outside=0.02, lpips_outside=0.139)
    for asked, said in (
        (row, "these edits are of nobody knows what in the mode nobody knows what"),
        (replace(row, benchmark="Pets-Edit", mode="corrected"), "these edits are of Pets-Edit in the mode corrected"),
        (replace(row, benchmark="PIE-Bench", mode="corrected"), "of PIE-Bench in the mode corrected"),
        (
            replace(row, **PAPER, entry="mine"),
            "no entry that stands for a published row; such are called ddim+p2p,",
        ),
    ):
        table.write_csv([asked], tmp_path / "t.csv")
        refused(call(capsys, "bench", "papers", tmp_path / "t.csv"), 1, said)
    judges = json.dumps({"lpips": FILES["alex"]})
    rows = [replace(row, **PAPER, judges=judges, item=str(k)) for k in range(700)]
    table.write_csv(rows[1:], tmp_path / "t.csv")
    few = "published rows are of all 700 items of PIE-Bench, and these are 699"
    refused(call(capsys, "bench", "papers", tmp_path / "t.csv"), 1, few)
    table.write_csv([*rows, replace(row, **PAPER, entry="ddim+p2p")], tmp_path / "t.csv")
    done = call(capsys, "bench", "papers", tmp_path / "t.csv")
    assert "zeroshift: warning: Nothing is set beside ddim+p2p: published rows are of all 700 items" in done.err
    said = done.out
    assert "direct+pix2pix-zero, 700 edits\n" in said and f"Measured by lpips: {FILES['alex']}." in said
    found = json.loads(call(capsys, "bench", "papers", tmp_path / "t.csv", "--json").out)["compared"]
    near = {one["figure"]: one["near"] for one in found["direct+pix2pix-zero"]}
    assert near == {"psnr-outside": True, "mse-outside": False}


def test_the_regression_set_lets_little_pass():
    """One success less and a fifth of structure; what is recorded lies in the middle of its own intervals."""
    means = {"imagenet-success": 6 / 7, "feature-structure": 0.02, "feature-distance": 0.5, "mse": 0.01}
    expected = intervals({"a": means})
    assert not faults({"a": means | {"imagenet-success": 5 / 7, "feature-structure": 0.0239}}, expected)
    for name, value in (("imagenet-success", 4 / 7), ("feature-structure", 0.0241), ("mse", 0.007), ("mse", math.nan)):
        (said,) = faults({"a": means | {name: value}}, expected)
        assert said.startswith(f"a: {name} is ")
    assert len(faults({}, expected)) == 4
    recorded = json.loads(EXPECTED.read_text())
    assert list(recorded) == list(METHODS) and all(len(names) == 4 for names in recorded.values())
    assert [picture_of(item).size for item in items().items] == [(128, 128)] * 7


def test_scoring_on_the_command_line_tells_what_it_left_out(capsys, tmp_path, monkeypatch):
    """One picture of three is scored: exit code 1, a table all the same, and the report has the command."""
    monkeypatch.setattr(judging, "open_judges", lambda mode, **_: Judges(mode))
    root, edits = tmp_path / "plain", tmp_path / "edits"
    for folder in (root, edits / "a"):
        folder.mkdir(parents=True)
    for name in "abc":
        photograph(root / f"{name}.png")
    rows = [Row(name, f"{name}.png", "cat", "dog", "a cat", "a dog", "cat-dog") for name in "abc"]
    write_plain(root, "Plain", rows)
    photograph(edits / "a/x.png")
    refused(call(capsys, "bench", "score", root, edits), 1, "No file in")
    photograph(edits / "a/a.png")
    (edits / "a/b.png").write_bytes(b"no picture")
    done = call(capsys, "bench", "score", root, edits, "--json", "--parquet", tmp_path / "t.parquet")
    facts = json.loads(done.out)
    assert done.code == 1 and "1 of 2 edits could not be scored" in done.err and facts["edits"] == 1
    assert facts["unknown"] == [str(edits / "a/x.png")] and facts["missing"] == {"a": ["c"]}
    assert len(facts["broken"]) == 1 and read_table(tmp_path / "t.parquet")["mode"].to_pylist() == ["corrected"]
    told = call(capsys, "bench", "score", root, edits).err
    assert "warning: Not scored, called like no item: a/x.png." in told and "Without an edit in a: c." in told
    refused(call(capsys, "bench", "score", root, edits, "--parquet", tmp_path / "t.csv"), 2, "must end in .parquet")
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    refused(call(capsys, "bench", "score", root, edits, "--parquet", tmp_path / "t.parquet"), 1, "needs pyarrow")
    moved = tmp_path / "elsewhere.csv"
    assert call(capsys, "bench", "score", root, edits, "-o", moved, "-q").code == 1
    assert call(capsys, "bench", "report", moved, "-o", tmp_path / "r.html").out.endswith("r.html: 1 entry\n")
    assert f"zeroshift bench score {root} {edits} -o {moved}" in (tmp_path / "r.html").read_text()
    assert read_provenance(moved).judges == {"mode": "corrected"} and read_provenance(moved).items == 3
    (tmp_path / "elsewhere.csv.json").write_text("{")
    refused(call(capsys, "bench", "report", moved, "-o", tmp_path / "r.html"), 1, "elsewhere.csv.json is damaged")


@pytest.mark.slow
def test_the_whole_way_on_the_command_line(capsys, tmp_path):
    """The shipped model edits the shipped photograph; scores, report and a second round that makes nothing."""
    root = tmp_path / "plain"
    root.mkdir()
    shutil.copy(Path(__file__).parents[1] / "examples/cat.png", root / "cat.png")
    write_plain(root, "Plain", [Row("cat", "cat.png", "cat", "dog", "a photo of a cat", "a photo of a dog", "cat-dog")])
    run_ = ("bench", "run", root, "-o", tmp_path / "out", "--method", "sdedit,ddim", "--strengths", "1", "--json")
    assert json.loads(call(capsys, *run_).out) == {"made": 2, "failed": {}}
    assert json.loads(call(capsys, *run_).out) == {"made": 0, "failed": {}}
    scores = call(capsys, "bench", "score", root, tmp_path / "out", "--json")
    assert json.loads(scores.out)["edits"] == 2
    rows = table.read_csv(tmp_path / "out/items.csv")
    assert {"imagenet-success", "shipped-clip-score", "feature-structure", "psnr"} <= rows[0].figures.keys()
    assert "clip-score" not in rows[0].figures and "lpips" not in rows[0].figures
    done = call(capsys, "bench", "report", tmp_path / "out/items.csv", "-o", tmp_path / "r.html", "--baseline", "ddim")
    made = (tmp_path / "r.html").read_text()
    assert done.code == 0 and all(f"zeroshift bench {verb} {tmp_path}" in made for verb in ("run", "score", "report"))
