"""Immiscible noise: which noise of a batch goes to which picture (Li et al. 2024, arXiv 2406.12303, Algorithm 1).

Where any noise may become any picture, a denoiser learns the mean of all of them. Noises that are handed out so that
they lie near their pictures mix fewer up, and denoising becomes easier (Li et al. 2025, arXiv 2505.18521). The batch's
noises stay the ones that were drawn, so their distribution does, which the nearest of several draws would not keep.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def handed_out(noise: Tensor, latents: Tensor) -> Tensor:
    """The noises (B, ...) in the order in which the sum of their squared distances to ``latents`` (B, ...) is least.

    The norms add up to the same sum in every order, so products alone decide.
    """
    products = latents.flatten(1).double() @ noise.flatten(1).double().T
    return noise[torch.from_numpy(assignment(-products.cpu().numpy())).to(noise.device)]


def assignment(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """The column of each row, every column once, that make the sum of ``costs`` (N, N) least.

    By shortest augmenting paths (Kuhn 1955; Jonker and Volgenant 1987), in O(N^3): a row at a time is matched along the
    cheapest path of exchanges, and prices of rows and columns keep all costs less prices at 0 or more. Column 0 is the
    start of every path, and row 0 means that a column is free.
    """
    count = len(costs)
    row_price, price = np.zeros(count + 1), np.zeros(count + 1)
    owner = np.zeros(count + 1, dtype=np.int64)
    for row in range(1, count + 1):
        owner[0], column = row, 0
        distance, before = np.full(count + 1, np.inf), np.zeros(count + 1, dtype=np.int64)
        visited = np.zeros(count + 1, dtype=bool)
        while owner[column]:
            visited[column] = True
            reduced = np.append(np.inf, costs[owner[column] - 1] - row_price[owner[column]] - price[1:])
            nearer = ~visited & (reduced < distance)
            distance[nearer], before[nearer] = reduced[nearer], column
            column = int(np.where(visited, np.inf, distance).argmin())
            step = distance[column]
            row_price[owner[visited]] += step
            price[visited] -= step
            distance[~visited] -= step
        while column:
            owner[column] = owner[before[column]]
            column = before[column]
    return owner[1:].argsort()
