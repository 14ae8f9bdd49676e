"""Half precision: an edit stays finite and close to float32."""

import numpy as np
import pytest

import zeroshift
from tests.runs import method
from tests.test_several import pictures
from zeroshift.doubts import Doubt

# grey levels after two steps of a random network, about twice what was measured (3 and 22): a rounding unit is 2^-11
# in fp16 and 2^-8 in bf16, and guidance multiplies it by five
WITHIN = {"fp16": 6, "bf16": 40}


def levels(result: zeroshift.Result) -> np.ndarray:
    return np.asarray(result.native, dtype=int)


@pytest.mark.filterwarnings("ignore:On a CPU fp16")
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
