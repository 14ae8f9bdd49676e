"""Saved inversions: bit-exact, and as good as fresh ones; their hash."""

from dataclasses import replace

import pytest
import torch

from tests.saved import FACTS, REQUEST, picture, random_trajectory
from tests.tiny import scheduler
from zeroshift.asked.request import inversion_facts
from zeroshift.diffusion.trajectory import Learned, Trajectory, load_trajectory, save_trajectory
from zeroshift.framed import framed
from zeroshift.running.inverting import invert
from zeroshift.running.translate import translate


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
    return Trajectory(backbone.schedule(5), latents, True, True, 1, noise, residuals, learned)


def lists_of(trajectory: Trajectory) -> dict[str, tuple[torch.Tensor, ...]]:
    own = {name: getattr(trajectory, name) for name in ("latents", "noise", "residuals")}
    learned = {name: getattr(trajectory.learned, name) for name in ("prompts", "negatives", "scales", "shifts")}
    return {name: tuple(tensors) for name, tensors in (own | learned).items()}


def test_a_round_trip_keeps_all_that_an_inversion_found(tiny, tmp_path):
    trajectory = whole_trajectory(tiny)
    save_trajectory(trajectory, tmp_path / "x.safetensors", FACTS)
    loaded, _ = load_trajectory(tmp_path / "x.safetensors", tiny)
    assert loaded.replayed and loaded.offset_target and loaded.learned.prompt_as_negative
    assert loaded.first == 1 and loaded.steps == range(1, 5) and loaded.learned.values
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
    fresh = list(translate(tiny, framed(tiny, sources, "stretch"), [REQUEST], seeds=[0, 0]))
    *_, inverted = invert(tiny, framed(tiny, sources, "stretch"), REQUEST, seeds=[0, 0])
    save_trajectory(
        inverted.trajectory, path, inversion_facts(tiny, framed(tiny, sources, "stretch"), REQUEST, seeds=[0, 0])
    )
    loaded, _ = load_trajectory(path, tiny)
    again = list(translate(tiny, framed(tiny, sources, "stretch"), [REQUEST], seeds=[0, 0], trajectory=loaded))
    edits = [step for step in fresh if step.stage == "edit"]
    assert len(again) == len(edits)
    assert all(torch.equal(a.latents, b.latents) for a, b in zip(again, edits, strict=True))
    for (a,), (b,) in zip(again[-1].results, edits[-1].results, strict=True):
        assert a.image.tobytes() == b.image.tobytes()
        assert a.recipe == b.recipe


def test_a_run_hands_out_its_inversion_for_the_next_one(tiny):
    steps = list(translate(tiny, framed(tiny, [picture(0)], "stretch"), [REQUEST], seeds=[0]))
    handed = [step.trajectory for step in steps if step.trajectory is not None]
    *_, inverted = invert(tiny, framed(tiny, [picture(0)], "stretch"), REQUEST, seeds=[0])
    assert len(handed) == 1
    assert torch.equal(handed[0].start, inverted.trajectory.start)


def test_a_recipe_knows_its_inversion(tiny):
    def recipes(trajectory: Trajectory | None) -> list[dict[str, object]]:
        *_, done = translate(tiny, framed(tiny, sources, "stretch"), [REQUEST], seeds=[0, 0], trajectory=trajectory)
        return [row[0].recipe for row in done.results]

    sources = [picture(0), picture(1)]
    fresh, other = recipes(None), recipes(random_trajectory(tiny, torch.float64, False, steps=3))
    hashes = {recipe["inversion_sha256"] for recipe in [*fresh, *other]}
    assert len(hashes) == 4
    *_, inverted = invert(tiny, framed(tiny, sources, "stretch"), REQUEST, seeds=[0, 0])
    assert [recipe["inversion_sha256"] for recipe in fresh] == [inverted.trajectory.sha256(row) for row in range(2)]


def test_the_hash_is_of_what_is_used(tiny):
    """The start alone, or every latent if they are replayed; of one picture."""
    plain, replayed = (random_trajectory(tiny, torch.float32, replayed) for replayed in (False, True))
    later = replace(plain, latents=(plain.latents[0], *(x + 1 for x in plain.latents[1:])))
    assert plain.sha256(0) == later.sha256(0) != plain.sha256(1)
    assert replayed.sha256(0) != replace(later, replayed=True).sha256(0)
    assert replayed.sha256(0) != replace(replayed, offset_target=True).sha256(0)


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
