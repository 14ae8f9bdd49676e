"""Saved inversions: bit-exact, tied to their model and facts, and as good as fresh ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny import scheduler
from zeroshift.backbones.base import Identity
from zeroshift.conditioning.direction import Direction, save_direction
from zeroshift.conditioning.shift import EditDirection
from zeroshift.conditioning.task import make_task
from zeroshift.image import Source
from zeroshift.inversion.ddim import DDIMInversion
from zeroshift.methods import Pix2PixZero
from zeroshift.request import Request, inversion_facts
from zeroshift.trajectory import Learned, Trajectory, check_facts, load_trajectory, save_trajectory
from zeroshift.translate import invert, translate

METHOD = Pix2PixZero(steps=3, conditioning=EditDirection(words="swap"))
REQUEST = Request(make_task("cat", "dog"), METHOD)
FACTS = {"model_sha256": "0" * 64, "prompt": "a photo of a cat"}


def picture(seed: int) -> Source:
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Source.of(Image.fromarray(pixels))


def random_trajectory(backbone, dtype: torch.dtype, replayed: bool, steps: int = 5) -> Trajectory:
    generator = torch.Generator().manual_seed(0)
    latents = tuple(torch.randn(2, 4, 8, 8, dtype=dtype, generator=generator) for _ in range(steps))
    return Trajectory(backbone.schedule(steps), latents, replayed)


@pytest.mark.parametrize(("dtype", "replayed"), [(torch.float32, False), (torch.float64, True)])
def test_a_round_trip_changes_no_bit(tiny, tmp_path, dtype, replayed):
    trajectory = random_trajectory(tiny, dtype, replayed)
    save_trajectory(trajectory, tmp_path / "x.safetensors", FACTS)
    loaded, facts = load_trajectory(tmp_path / "x.safetensors", tiny)
    assert facts == FACTS
    assert loaded.replayed is replayed
    assert loaded.schedule.timesteps == trajectory.schedule.timesteps
    assert len(loaded.latents) == 5
    assert all(
        a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(loaded.latents, trajectory.latents, strict=True)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def whole_trajectory(backbone) -> Trajectory:
    """Return one that has all there is, and begins at the second of five steps."""
    generator = torch.Generator().manual_seed(1)

    def some(count: int, *shape: int) -> tuple[torch.Tensor, ...]:
        return tuple(torch.randn(2, *shape, dtype=torch.float64, generator=generator) for _ in range(count))

    latents, noise, residuals = some(5, 4, 8, 8), some(4, 4, 8, 8), some(4, 4, 8, 8)
    prompts, negatives, scales, shifts = (some(5, 16, 16) for _ in range(4))
    learned = Learned(prompts, negatives, True, scales, shifts)
    return Trajectory(backbone.schedule(5), latents, True, 1, noise, residuals, learned)


def lists_of(trajectory: Trajectory) -> dict[str, tuple[torch.Tensor, ...]]:
    own = {name: getattr(trajectory, name) for name in ("latents", "noise", "residuals")}
    learned = {name: getattr(trajectory.learned, name) for name in ("prompts", "negatives", "scales", "shifts")}
    return {name: tuple(tensors) for name, tensors in (own | learned).items()}


def test_a_round_trip_keeps_all_that_an_inversion_found(tiny, tmp_path):
    trajectory = whole_trajectory(tiny)
    save_trajectory(trajectory, tmp_path / "x.safetensors", FACTS)
    loaded, _ = load_trajectory(tmp_path / "x.safetensors", tiny)
    assert (loaded.first, loaded.replayed, loaded.learned.prompt_as_negative) == (1, True, True)
    assert loaded.steps == range(1, 5) and loaded.learned.values
    found, expected = lists_of(loaded), lists_of(trajectory)
    assert [len(tensors) for tensors in found.values()] == [5, 4, 4, 5, 5, 5, 5]
    for name, tensors in expected.items():
        assert all(torch.equal(a, b) for a, b in zip(found[name], tensors, strict=True)), name
    assert [loaded.sha256(row) for row in range(2)] == [trajectory.sha256(row) for row in range(2)]


def test_a_round_trip_of_nothing_more_than_latents_adds_nothing(tiny, tmp_path):
    save_trajectory(random_trajectory(tiny, torch.float32, False), tmp_path / "x.safetensors", FACTS)
    loaded, _ = load_trajectory(tmp_path / "x.safetensors", tiny)
    found = lists_of(loaded)
    assert {name for name, tensors in found.items() if tensors} == {"latents"}
    assert not loaded.learned.prompt_as_negative and not loaded.learned.values and loaded.first == 0


def test_a_trajectory_that_begins_in_the_middle(tiny):
    """Its lists begin there too; what was learned counts all steps."""
    trajectory = whole_trajectory(tiny)
    assert torch.equal(trajectory.start, trajectory.latents[0])
    for i in range(1, 6):
        assert torch.equal(trajectory.at(i), trajectory.latents[i - 1])
    x0, eps = trajectory.latents[:2]
    for i in trajectory.steps:
        bare = replace(trajectory, noise=(), residuals=())
        assert torch.equal(bare.advance(x0, eps, i), trajectory.schedule.join_at(x0, eps, i + 1))
        left = replace(trajectory, noise=()).advance(x0, eps, i) - bare.advance(x0, eps, i)
        assert torch.allclose(left, trajectory.residuals[i - 1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("first", [0, 2])
def test_stored_noise_is_that_of_diffusers_ancestral_step(tiny, tiny_v, prediction, first):
    backbone = tiny if prediction == "epsilon" else tiny_v
    steps = 5
    reference = scheduler(prediction)
    reference.alphas_cumprod = reference.alphas_cumprod.double()
    reference.final_alpha_cumprod = reference.alphas_cumprod[0]
    reference.set_timesteps(steps)
    generator = torch.Generator().manual_seed(2)
    x, *noise = torch.randn(1 + steps - first, 2, 4, 8, 8, dtype=torch.float64, generator=generator)
    trajectory = Trajectory(backbone.schedule(steps), (x,), first=first, noise=noise)
    for i in trajectory.steps:
        t, out, fresh = int(reference.timesteps[i]), torch.sin(x + i), noise[i - first]
        ours = trajectory.advance(*trajectory.schedule.split(x, out, trajectory.schedule.level(i)), i)
        x = reference.step(out, t, x, eta=1.0, variance_noise=fresh).prev_sample
        assert torch.allclose(ours, x, rtol=0, atol=1e-12)


def test_an_edit_from_a_loaded_inversion_equals_a_fresh_one(tiny, tmp_path):
    sources, path = [picture(0), picture(1)], tmp_path / "x.safetensors"
    fresh = list(translate(tiny, sources, [REQUEST], seed=0, fit="stretch"))
    *_, inverted = invert(tiny, sources, REQUEST, seed=0, fit="stretch")
    save_trajectory(inverted.trajectory, path, inversion_facts(tiny, sources, REQUEST, seed=0, fit="stretch"))
    loaded, _ = load_trajectory(path, tiny)
    again = list(translate(tiny, sources, [REQUEST], seed=0, fit="stretch", trajectory=loaded))
    edits = [step for step in fresh if step.stage == "edit"]
    assert len(again) == len(edits)
    assert all(torch.equal(a.latents, b.latents) for a, b in zip(again, edits, strict=True))
    for (a,), (b,) in zip(again[-1].results, edits[-1].results, strict=True):
        assert a.image.tobytes() == b.image.tobytes()
        assert a.recipe == b.recipe


def test_a_run_hands_out_its_inversion_for_the_next_one(tiny):
    steps = list(translate(tiny, [picture(0)], [REQUEST], seed=0, fit="stretch"))
    handed = [step.trajectory for step in steps if step.trajectory is not None]
    *_, inverted = invert(tiny, [picture(0)], REQUEST, seed=0, fit="stretch")
    assert len(handed) == 1
    assert torch.equal(handed[0].start, inverted.trajectory.start)


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
    found = inversion_facts(tiny, [picture(0)], REQUEST, seed=0, fit="stretch")
    changed = {**found, name.replace(" ", "_"): "other"}
    with pytest.raises(ValueError, match=rf"^The inversion x has another {name} \(other\) than this edit \("):
        check_facts(Path("x"), changed, found)


def test_a_recipe_knows_its_inversion(tiny):
    def recipes(trajectory: Trajectory | None) -> list[dict[str, object]]:
        *_, done = translate(tiny, sources, [REQUEST], seed=0, fit="stretch", trajectory=trajectory)
        return [row[0].recipe for row in done.results]

    sources = [picture(0), picture(1)]
    fresh, other = recipes(None), recipes(random_trajectory(tiny, torch.float64, False, steps=3))
    hashes = {recipe["inversion_sha256"] for recipe in [*fresh, *other]}
    assert len(hashes) == 4
    *_, inverted = invert(tiny, sources, REQUEST, seed=0, fit="stretch")
    assert [recipe["inversion_sha256"] for recipe in fresh] == [inverted.trajectory.sha256(row) for row in range(2)]


def test_the_hash_is_of_what_is_used(tiny):
    """The start alone, or every latent if they are replayed; of one picture."""
    plain, replayed = (random_trajectory(tiny, torch.float32, replayed) for replayed in (False, True))
    later = replace(plain, latents=(plain.latents[0], *(x + 1 for x in plain.latents[1:])))
    assert plain.sha256(0) == later.sha256(0) != plain.sha256(1)
    assert replayed.sha256(0) != replace(later, replayed=True).sha256(0)


@pytest.mark.parametrize("name", ["latents", "noise", "residuals", "prompts", "negatives", "scales", "shifts"])
def test_the_hash_is_of_everything_found(tiny, name):
    """Of the last step's tensor too, and of its own picture alone."""
    trajectory = whole_trajectory(tiny)
    tensors = lists_of(trajectory)[name]
    last = tensors[-1].clone()
    last[1] += 1
    changed = {name: (*tensors[:-1], last)}
    if name in ("prompts", "negatives", "scales", "shifts"):
        changed = {"learned": replace(trajectory.learned, **changed)}
    other = replace(trajectory, **changed)
    assert trajectory.sha256(0) == other.sha256(0) and trajectory.sha256(1) != other.sha256(1)
    swapped = replace(trajectory, learned=replace(trajectory.learned, prompt_as_negative=False))
    assert swapped.sha256(0) != trajectory.sha256(0)


@pytest.mark.parametrize("name", CHANGED)
def test_an_inversion_serves_only_edits_that_would_make_the_same(tiny, name):
    found = inversion_facts(tiny, [picture(0)], REQUEST, seed=0, fit="stretch")
    sources, request, seed, fit = CHANGED[name]
    with pytest.raises(ValueError, match=f"^The inversion x has another {name} "):
        check_facts(Path("x"), found, inversion_facts(tiny, sources, request, seed=seed, fit=fit))


def test_target_words_and_strength_do_not_matter_to_an_inversion(tiny):
    found = inversion_facts(tiny, [picture(0)], REQUEST, seed=0, fit="stretch")
    stronger = replace(METHOD, conditioning=EditDirection(strength=2.0))
    request = Request(make_task("cat", "tiger"), stronger)
    check_facts(Path("x"), found, inversion_facts(tiny, [picture(0)], request, seed=0, fit="stretch"))
