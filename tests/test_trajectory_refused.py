"""Saved inversions are tied to their model and facts; files that are none are refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.saved import FACTS, METHOD, REQUEST, picture, random_trajectory
from zeroshift.conditioning.direction import Direction, save_direction
from zeroshift.conditioning.shift import EditDirection
from zeroshift.conditioning.task import make_task
from zeroshift.diffusion.backbone import Identity
from zeroshift.diffusion.trajectory import check_facts, load_trajectory, save_trajectory
from zeroshift.inversion.ddim import DDIMInversion
from zeroshift.request import Request, inversion_facts
from zeroshift.results import framed


def test_another_models_inversion_is_refused(tiny, tmp_path):
    save_trajectory(random_trajectory(tiny, torch.float32, False), tmp_path / "x.safetensors", FACTS)
    other = replace(tiny, identity=Identity("other", "1" * 64))
    with pytest.raises(ValueError, match="made with another model; load that model, or invert anew"):
        load_trajectory(tmp_path / "x.safetensors", other)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("not an inversion, but long enough to hold a header length")


def direction(path: Path) -> None:
    save_direction(Direction(torch.zeros(1, 16, 16), {}), path)


@pytest.mark.parametrize("write", [empty, text, direction])
def test_other_files_are_refused(tiny, tmp_path, write):
    write(tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"x\.safetensors is not an inversion; make one with"):
        load_trajectory(tmp_path / "x.safetensors", tiny)


def test_a_truncated_file_is_refused(tiny, tmp_path):
    path = tmp_path / "x.safetensors"
    save_trajectory(random_trajectory(tiny, torch.float32, False), path, FACTS)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not an inversion"):
        load_trajectory(path, tiny)


def test_a_missing_file_is_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match="There is no inversion"):
        load_trajectory(tmp_path / "x.safetensors", tiny)


def test_another_extension_is_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"give such a name instead of x\.pt"):
        save_trajectory(random_trajectory(tiny, torch.float32, False), tmp_path / "x.pt", FACTS)


def test_a_place_that_cannot_be_written_is_refused(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written .*; choose another place"):
        save_trajectory(random_trajectory(tiny, torch.float32, False), tmp_path / "file" / "x.safetensors", FACTS)


CHANGED = {
    "source sha256": ([picture(1)], REQUEST, 0, "stretch"),
    "prompt": ([picture(0)], Request(make_task("cat", "dog", "a cat on grass"), METHOD), 0, "stretch"),
    "inversion": ([picture(0)], replace(REQUEST, method=replace(METHOD, inversion=DDIMInversion())), 0, "stretch"),
    "steps": ([picture(0)], replace(REQUEST, method=replace(METHOD, steps=4)), 0, "stretch"),
    "seed": ([picture(0)], REQUEST, 1, "stretch"),
    "fit": ([picture(0)], REQUEST, 0, "crop"),
}


@pytest.mark.parametrize("name", ["device", "precision", "threads", "torch version", "zeroshift version"])
def test_an_inversion_of_another_machine_is_refused(tiny, name):
    found = inversion_facts(tiny, framed(tiny, [picture(0)], "stretch"), REQUEST, seeds=[0])
    changed = {**found, name.replace(" ", "_"): "other"}
    with pytest.raises(ValueError, match=rf"^The inversion x has another {name} \(other\) than this edit \("):
        check_facts(Path("x"), changed, found)


@pytest.mark.parametrize("name", CHANGED)
def test_an_inversion_serves_only_edits_that_would_make_the_same(tiny, name):
    found = inversion_facts(tiny, framed(tiny, [picture(0)], "stretch"), REQUEST, seeds=[0])
    sources, request, seed, fit = CHANGED[name]
    with pytest.raises(ValueError, match=f"^The inversion x has another {name} "):
        check_facts(Path("x"), found, inversion_facts(tiny, framed(tiny, sources, fit), request, seeds=[seed]))


def test_target_words_and_strength_do_not_matter_to_an_inversion(tiny):
    found = inversion_facts(tiny, framed(tiny, [picture(0)], "stretch"), REQUEST, seeds=[0])
    stronger = replace(METHOD, conditioning=EditDirection(strength=2.0))
    request = Request(make_task("cat", "tiger"), stronger)
    check_facts(Path("x"), found, inversion_facts(tiny, framed(tiny, [picture(0)], "stretch"), request, seeds=[0]))
