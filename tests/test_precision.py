"""Half precision: an edit stays finite and close to float32."""

import numpy as np
import pytest
import torch

import zeroshift
from tests.runs import method
from tests.test_several import pictures
from zeroshift.doubts import Doubt
from zeroshift.miniature.training.loop import in_bf16

# grey levels after two steps of a random network, about twice what was measured (3 and 22): a rounding unit is 2^-11
# in fp16 and 2^-8 in bf16, and guidance multiplies it by five
WITHIN = {"fp16": 6, "bf16": 40}


def levels(result: zeroshift.Result) -> np.ndarray:
    return np.asarray(result.native, dtype=int)


@pytest.mark.filterwarnings("ignore:On a CPU fp16", "ignore:This CPU imitates bf16")
@pytest.mark.parametrize("precision", WITHIN)
def test_half_precision_is_close_to_float32(checkpoint, precision):
    (source,) = pictures(1)
    whole, half = (
        zeroshift.load(checkpoint, device="cpu", precision=p).edit(source, "cat", "dog", method=method(steps=2))
        for p in ("fp32", precision)
    )
    assert half.recipe["precision"] == precision
    apart = np.abs(levels(half) - levels(whole))  # grey levels; values that are not numbers are refused on the way
    assert 0 < apart.max() <= WITHIN[precision]


def test_fp16_on_a_cpu_is_doubted(checkpoint):
    with pytest.warns(Doubt, match="On a CPU fp16 takes many times as long as fp32"):
        zeroshift.load(checkpoint, device="cpu", precision="fp16")


@pytest.mark.parametrize("quick", [True, False])
def test_bf16_is_for_cpus_that_compute_in_it(checkpoint, monkeypatch, recwarn, quick):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": quick})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert [in_bf16(precision) for precision in ("auto", "fp32")] == [quick, False] and not recwarn
    assert in_bf16("bf16")
    zeroshift.load(checkpoint, device="cpu", precision="bf16")
    assert [str(w.message)[:22] for w in recwarn if w.category is Doubt] == (
        [] if quick else ["This CPU imitates bf16"] * 2
    )


@pytest.mark.gpu
def test_half_precision_on_cuda_is_reproducible(checkpoint):
    (source,) = pictures(1)
    editor = zeroshift.load(checkpoint, device="cuda")
    first, again = (editor.edit(source, "cat", "dog", method=method(steps=2)) for _ in range(2))
    assert (first.recipe["device"], first.recipe["precision"]) == ("cuda", "fp16")
    assert first.native.tobytes() == again.native.tobytes() and first.recipe == again.recipe
    whole = zeroshift.load(checkpoint, device="cpu", precision="fp32")
    expected = whole.edit(source, "cat", "dog", method=method(steps=2))
    assert np.abs(levels(first) - levels(expected)).max() <= WITHIN["fp16"]
