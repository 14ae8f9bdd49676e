"""Saved inversions are tied to their model and facts; files that are none are refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.saved import FACTS, METHOD, REQUEST, picture, random_trajectory
from zeroshift.asked.request import Request, inversion_facts
from zeroshift.conditioning.direction import Direction, save_direction
from zeroshift.conditioning.shift import EditDirection
from zeroshift.conditioning.task import make_task
from zeroshift.diffusion.agreement import check_facts, check_tensors
from zeroshift.diffusion.backbone import Identity
from zeroshift.diffusion.trajectory import Learned, Trajectory, load_trajectory, save_trajectory
from zeroshift.editor import Editor
from zeroshift.framed import framed
from zeroshift.inversion.ddim import DDIMInversion
from zeroshift.inversion.regularised import RegularisedInversion
from zeroshift.methods import DDIM
from zeroshift.options.parts import parts_of
from zeroshift.presets import build_method


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
    save_direction(Direction(torch.ones(1, 16, 16), {}), path)


@pytest.mark.parametrize("write", [empty, text, direction])
def test_other_files_are_refused(tiny, tmp_path, write):
    write(tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"x\.safetensors is not an inversion; make one with"):
        load_trajectory(tmp_path / "x.safetensors", tiny)


def test_a_file_without_levels_is_refused(tiny, tmp_path):
    path = tmp_path / "x.safetensors"
    save_trajectory(random_trajectory(tiny, torch.float32, False), path, FACTS)
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file({**tensors, "latents": tensors["latents"][:0]}, path, metadata=metadata)
    with pytest.raises(ValueError, match="is not an inversion"):
        load_trajectory(path, tiny)


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
    "photograph": ([picture(1)], REQUEST, 0, "stretch"),
    "prompt": ([picture(0)], Request(make_task("cat", "dog", "a cat on grass"), METHOD), 0, "stretch"),
    "inversion": ([picture(0)], replace(REQUEST, method=replace(METHOD, inversion=DDIMInversion())), 0, "stretch"),
    "steps": ([picture(0)], replace(REQUEST, method=replace(METHOD, steps=4)), 0, "stretch"),
    "seed": ([picture(0)], REQUEST, 1, "stretch"),
    "fit": ([picture(0)], REQUEST, 0, "crop"),
}


@pytest.mark.parametrize("name", ["device", "precision", "threads", "torch version", "zeroshift version"])
def test_an_inversion_of_another_machine_is_warned_of(tiny, name):
    found = inversion_facts(tiny, framed(tiny, [picture(0)], "stretch"), REQUEST, seeds=[0])
    (said,) = check_facts(Path("x"), {**found, name.replace(" ", "_"): "other"}, found)
    assert said.startswith(f"The inversion x was made with {name} other instead of ")
    assert check_facts(Path("x"), found, found) == []


def test_what_differs_in_an_inversion_is_said_option_by_option(tiny):
    def facts(inversion):
        request = replace(REQUEST, method=replace(METHOD, inversion=inversion))
        return inversion_facts(tiny, framed(tiny, [picture(0)], "stretch"), request, seeds=[0])

    strong = facts(RegularisedInversion(lambda_ac=7.0))
    with pytest.raises(
        ValueError, match=r"another inversion than this edit \(`lambda_ac` 7\.0 instead of 20\.0\); give"
    ):
        check_facts(Path("x"), strong, facts(RegularisedInversion(lambda_ac=20.0)))
    with pytest.raises(ValueError, match=r"\(`inversion` regularised instead of ddim\); give the edit the same"):
        check_facts(Path("x"), strong, facts(DDIMInversion()))


def test_an_inversion_serves_another_method_and_another_seed_where_nothing_is_drawn(tiny):
    """The seed is no fact of an inversion that draws nothing; nor is the rest of the method."""
    mine = replace(REQUEST, method=replace(METHOD, inversion=DDIMInversion()))
    other = replace(REQUEST, method=replace(DDIM(steps=3), inversion=DDIMInversion()))
    facts = [inversion_facts(tiny, framed(tiny, [picture(0)], "pad"), r, seeds=[s]) for r, s in ((mine, 0), (other, 1))]
    assert check_facts(Path("x"), *facts) == []


@pytest.mark.parametrize("kind", [kind for part in parts_of(DDIM) if part.name == "inversion" for kind in part.kinds])
def test_an_inversion_says_whether_it_draws_anything(tiny, kind):
    short = {"inner_steps": 2} if kind in ("value-embedding", "null-text", "redescription") else {}
    looks = [{"kind": "refinement"}] if kind == "random" else []  # something has to look at the photograph
    options = {"steps": 2, "inversion": {"kind": kind, **short}, "control": {"kind": "none"}, "extras": looks}
    method = build_method("ddim", options)
    request, editor = Request(make_task("cat", "dog"), method), Editor(tiny, {})
    inverted = [list(editor.invert([picture(0)], request, seed=seed))[-1].trajectory for seed in (0, 1)]
    one, other = ([x.numpy().tobytes() for _, tensors in t.tensors() for x in tensors] for t in inverted)
    assert (one != other) == method.inversion.seeded


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x * 0, "latents that are zero throughout"),
        (lambda x: x.long(), r"latents of whole numbers \(int64\)"),
        (lambda x: x.bfloat16(), "latents of the type bfloat16, and inversions are kept in float32"),
        (lambda x: x.to(torch.complex64), "latents of the type complex64"),
        (lambda x: x / 0, "latents that are not numbers"),
        (lambda x: x[..., :4, :], r"latents of the shape \(1, 4, 4, 8\), and this edit takes \(1, 4, 8, 8\)"),
        (lambda x: x[:, :, :2], "latents of the shape"),
        (lambda x: x[:, 0], "latents of the shape"),
        (lambda x: x[:2], "2 latents for 3 steps"),
    ],
)
def test_tensors_that_no_inversion_gives(tiny, change, said):
    latents = torch.randn(4, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    check_tensors(Path("x"), Trajectory(tiny.schedule(3), latents.unbind()), tiny, (32, 32), 1)
    with pytest.raises(ValueError, match=f"^The inversion x has {said}.*; invert anew"):
        check_tensors(Path("x"), Trajectory(tiny.schedule(3), change(latents).unbind()), tiny, (32, 32), 1)


@pytest.mark.parametrize("name", ["noise", "residuals", "learned.negatives"])
def test_other_tensors_that_no_inversion_gives(tiny, name):
    latents = torch.randn(4, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).unbind()
    odd = (torch.full((1, 4, 8, 8), float("inf")),) * 3
    learned = Learned(negatives=odd) if name.startswith("learned") else Learned()
    rest = {name: odd} if not name.startswith("learned") else {}
    with pytest.raises(ValueError, match=f"^The inversion x has {name} that are not numbers; invert anew"):
        check_tensors(Path("x"), Trajectory(tiny.schedule(3), latents, learned=learned, **rest), tiny, (32, 32), 1)


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


def test_an_inversion_of_something_else_is_refused_in_python(tiny):
    """Neither another photograph, nor other steps, nor another number of photographs."""
    editor = Editor(tiny, {})
    *_, made = editor.invert([picture(0)], REQUEST)
    longer = replace(REQUEST, method=replace(METHOD, steps=4))
    for photos, request, why in (
        ([picture(1)], REQUEST, "another photograph than this edit"),
        ([picture(0)], longer, "another steps than this edit"),
        ([picture(0)] * 2, REQUEST, "another photograph than this edit"),
    ):
        with pytest.raises(ValueError, match=f"The inversion that was given has {why}"):
            list(editor.run(photos, [request], trajectory=made.trajectory))
    by_hand = replace(made.trajectory, facts={})
    with pytest.raises(ValueError, match="is of 1 pictures in 3 steps, and this edit of 2 in 3; invert anew"):
        list(editor.run([picture(0)] * 2, [REQUEST], trajectory=by_hand))
    *_, last = editor.run([picture(0)], [REQUEST], trajectory=made.trajectory)
    assert last.results


@pytest.mark.parametrize(("photos", "requests"), [((), (REQUEST,)), ((0,), ())])
def test_a_run_has_something_to_do(tiny, photos, requests):
    with pytest.raises(ValueError, match="There is nothing to do; give at least one picture and one edit"):
        list(Editor(tiny, {}).run([picture(k) for k in photos], requests))
