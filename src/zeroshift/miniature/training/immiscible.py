"""Immiscible noise: which noise of a batch goes to which picture (Li et al. 2024, arXiv 2406.12303, Algorithm 1).

Where any noise may become any picture, a denoiser learns the mean of all of them. Noises that are handed out so that
they lie near their pictures mix fewer up, and denoising becomes easier (Li et al. 2025, arXiv 2505.18521). The batch's
noises stay the ones that were drawn, so their distribution does, which the nearest of several draws would not keep.
"""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def handed_out(noise: Tensor, latents: Tensor) -> Tensor:
    """The noises (B, ...) in the order in which the sum of their squared distances to ``latents`` (B, ...) is least.

    The norms add up to the same sum in every order, so products alone decide.
    """
    products = latents.flatten(1).double() @ noise.flatten(1).double().T
    _, chosen = linear_sum_assignment(products.cpu().numpy(), maximize=True)
    return noise[torch.from_numpy(chosen).to(noise.device)]
