"""Prompts that have a pooled vector beside their tokens, as Stable Diffusion XL's do."""

import torch
from torch import Tensor

from tests.runs import apart
from zeroshift.diffusion.embedding import Embedding, TextRows, between, guidance_rows


def drawn(rows: int, seed: int, *, pooled: bool = True) -> Embedding:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(rows, 3, 5, dtype=torch.float64, generator=generator)
    return Embedding(tokens, pooled=torch.randn(rows, 7, dtype=torch.float64, generator=generator) if pooled else None)


def of(embedding: Embedding) -> tuple[Tensor, Tensor]:
    assert embedding.pooled is not None
    return embedding.tokens, embedding.pooled


def test_every_row_is_stacked_with_its_pooled_vector():
    rows = [drawn(2, seed) for seed in range(3)]
    stacked = TextRows(tuple(rows), (1.0, 2.0, -2.0)).stacked
    for n, row in enumerate(rows):
        assert all(torch.equal(a[2 * n : 2 * n + 2], b) for a, b in zip(of(stacked), of(row), strict=True))
    assert TextRows((drawn(2, 0, pooled=False),), (1.0,)).stacked.pooled is None


def test_pooled_vectors_are_repeated_moved_and_mixed_with_the_tokens():
    a, b = drawn(1, 1), drawn(1, 2)
    assert [part.shape for part in of(a.repeat(4))] == [(4, 3, 5), (4, 7)]
    for mixed, start, end in zip(of(a.towards(b, 0.25)), of(a), of(b), strict=True):
        assert apart(mixed, 0.75 * start + 0.25 * end) <= 1e-15
    for moved, start, way in zip(of(a.shift(b, -2.0)), of(a), of(b), strict=True):
        assert torch.equal(moved, start - 2.0 * way)
    assert torch.equal(of(a.shift(drawn(1, 3, pooled=False), 1.0))[1], of(a)[1])
    rows = between(guidance_rows(a, b, 3.0), guidance_rows(b, a, 3.0), 0.0).stacked
    assert torch.equal(of(rows)[1], torch.cat([of(a)[1], of(b)[1]]))


def test_other_tokens_keep_the_pooled_vectors_of_their_rows():
    prompts, rows = drawn(3, 4), torch.tensor([2, 0])
    told = prompts.of(prompts.tokens[rows] * 2, rows)
    assert torch.equal(told.tokens, prompts.tokens[rows] * 2) and torch.equal(of(told)[1], of(prompts)[1][rows])
    assert torch.equal(of(prompts.of(prompts.tokens + 1))[1], of(prompts)[1])
