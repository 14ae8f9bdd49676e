"""The network that finds heads: it says of every place in a picture how the frame of a head there lies."""

import torch.nn.functional as F
from torch import Tensor, nn

from zeroshift.miniature.classifier import ClassifierNetwork, Residual

WINDOW = 64
"""side in pixels of the frames that it knows; others are found in enlarged and reduced pictures"""
STRIDE = 8
"""pixels per place, along a side"""
LEVELS = 3
"""of the classifier, which reach down to places"""


class FinderNetwork(nn.Module):
    """The first levels of a ``ClassifierNetwork`` of that shape, and a small head that reads every place.

    Pictures (N, 3, H, W) in [-1, 1], sides multiples of 8, give (N, 4, H/8, W/8): the logit that a frame of about
    ``WINDOW`` px lies here, the shift of its centre in ``WINDOW`` (right, down), and the logarithm of its side in it.
    """

    def __init__(self, widths: tuple[int, ...], blocks: tuple[int, ...], hidden: int = 64) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        body: list[nn.Module] = []
        channels = widths[0]
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for k in range(count):
                body.append(Residual(channels, width, 2 if level > 0 and k == 0 else 1))
                channels = width
        self.body = nn.Sequential(*body)
        self.out = nn.Sequential(nn.Conv2d(channels, hidden, 3, 1, 1), nn.ReLU(), nn.Conv2d(hidden, 4, 1))

    def features(self, x: Tensor) -> Tensor:
        """What the classifier's levels see, (N, widths[-1], H/8, W/8)."""
        seen: Tensor = self.body(F.relu(self.norm(self.stem(x))))
        return seen

    def forward(self, x: Tensor) -> Tensor:
        seen: Tensor = self.out(self.features(x))
        return seen

    def start_from(self, trained: ClassifierNetwork) -> None:
        """Take the levels of a trained classifier of the same shape."""
        own = {name for name in self.state_dict() if not name.startswith("out.")}
        self.load_state_dict({k: v for k, v in trained.state_dict().items() if k in own}, strict=False)
