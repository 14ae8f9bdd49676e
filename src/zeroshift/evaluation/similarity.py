"""How like two pictures are."""

from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure


def ssim(pictures: Tensor, others: Tensor) -> float:
    """Mean structural similarity of pictures of bytes (B, 3, H, W), 1 for equal ones (Wang et al. 2004)."""
    return float(structural_similarity_index_measure(pictures.float(), others.float(), data_range=255.0))
