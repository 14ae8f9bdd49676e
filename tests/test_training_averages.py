"""Averages of weights whose length is chosen after the training."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from zeroshift.miniature.training.averages import (
    KEPT,
    LONGEST,
    PowerAverages,
    Profile,
    combined,
    exponent_of,
    shares,
    written,
)

AT = np.linspace(0, 1, 200_001)


def drawn(profile, end):
    """The profile's values at ``AT`` of ``end`` steps."""
    t = AT * end / profile.step
    return np.where(t <= 1, (profile.exponent + 1) / profile.step * np.minimum(t, 1) ** profile.exponent, 0)


@pytest.mark.parametrize("length", [0.01, 0.05, 0.1, 0.2, LONGEST])
def test_an_averages_length_is_its_profiles_deviation(length):
    values = drawn(Profile(exponent_of(length), 1), 1)
    mean = np.trapezoid(AT * values, AT)
    assert np.trapezoid(values, AT) == pytest.approx(1, abs=1e-4)
    assert math.sqrt(np.trapezoid((AT - mean) ** 2 * values, AT)) == pytest.approx(length, rel=1e-3)


@pytest.mark.parametrize("length", [0.0, -0.1, 0.3, float("nan")])
def test_lengths_of_no_average_are_refused(length):
    with pytest.raises(ValueError, match="give one above 0 and at most 0.2887"):
        exponent_of(length)


def test_profiles_are_multiplied_as_integrals_are():
    profiles = [Profile(exponent, step) for exponent in (0.5, 6.9, 17.0) for step in (40, 100)]
    for a in profiles:
        for b in profiles:
            integral = np.trapezoid(drawn(a, 100) * drawn(b, 100), AT * 100)
            assert a @ b == pytest.approx(integral, rel=1e-3)


def test_multiples_are_the_least_squares_of_the_drawn_profiles():
    kept = [Profile(exponent_of(length), step) for step in (40, 80, 120) for length in KEPT]
    wanted = Profile(exponent_of(0.075), 120)
    found, missing = shares(kept, wanted)
    columns, target = np.stack([drawn(one, 120) for one in kept], 1), drawn(wanted, 120)
    expected = np.linalg.lstsq(columns, target, rcond=None)[0]
    np.testing.assert_allclose(found, expected, atol=2e-3)
    left = np.linalg.norm(columns @ found - target) / np.linalg.norm(target)
    assert missing == pytest.approx(left, rel=0.02) and missing < 0.05
    assert shares(kept, kept[-1]) == (pytest.approx([0] * 5 + [1], abs=1e-6), pytest.approx(0, abs=1e-6))


class Trainer:
    global_step = 0


def walked(callback, weights, start=0):
    trainer = Trainer()
    trainer.global_step = start
    callback.on_train_start(trainer, None)
    for step, value in enumerate(weights, start + 1):
        callback.network.weight.data.copy_(value)
        trainer.global_step = step
        callback.on_train_batch_end(trainer, None, None, None, 0)
    callback.on_train_end(trainer, None)


@pytest.fixture
def path():
    """400 weights of a walk at random, (400, 1, 8)."""
    return torch.randn(400, 1, 8, generator=torch.Generator().manual_seed(0)).cumsum(0) / 20


@pytest.mark.parametrize("length", [0.03, 0.07, 0.15, 0.25])
def test_averages_of_other_lengths_are_those_that_were_tracked(tmp_path, path, length):
    """Against the average of that length, tracked by its own recursion from the first step to the last."""
    walked(PowerAverages(torch.nn.Linear(8, 1, bias=False), tmp_path, 20), path)
    tracked = torch.zeros(1, 8)
    for step, value in enumerate(path, 1):
        kept = (1 - 1 / step) ** (exponent_of(length) + 1)
        tracked = kept * tracked + (1 - kept) * value
    found, missing = combined(tmp_path, length)
    plain = [load_file(tmp_path / f"400-{kept}.safetensors")["weight"].float() for kept in KEPT]
    error = (found["weight"] - tracked).norm()
    assert missing < 0.1
    assert error < 0.1 * min((other - tracked).norm() for other in plain)


def test_what_is_kept_is_written_every_so_many_steps_and_at_the_end(tmp_path, path):
    walked(PowerAverages(torch.nn.Linear(8, 1, bias=False), tmp_path, 15), path[:40])
    assert [profile.step for _, profile in written(tmp_path)] == [15, 15, 30, 30, 40, 40]


def test_a_training_that_goes_on_keeps_the_same_averages(tmp_path, path):
    whole = PowerAverages(torch.nn.Linear(8, 1, bias=False), tmp_path / "whole", 10)
    walked(whole, path[:40])
    killed = PowerAverages(torch.nn.Linear(8, 1, bias=False), tmp_path / "killed", 10)
    walked(killed, path[:23])
    state = {"step": killed.step, "averages": [{k: v.clone() for k, v in one.items()} for one in killed.averages]}
    walked(killed, path[23:35], 23)  # these steps are lost
    resumed = PowerAverages(torch.nn.Linear(8, 1, bias=False), tmp_path / "killed", 10)
    resumed.load_state_dict(state)
    walked(resumed, path[23:40], 23)
    names = sorted(file.name for file in (tmp_path / "whole").iterdir())
    assert [p.step for _, p in written(tmp_path / "killed")] == [10, 10, 20, 20, 23, 23, 30, 30, 40, 40]
    assert all((tmp_path / "killed" / n).read_bytes() == (tmp_path / "whole" / n).read_bytes() for n in names)
