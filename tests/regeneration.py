"""ReDiffuser in plain loops, written from its description alone; of the package only the options are read."""

import torch
from torch import Tensor

from tests.oracles import Network, descend, guide_and_move
from zeroshift.control import FusedGuidance


class PlainLoops:
    """The whole of section 2 for one photograph, every map kept, one row or two at a time."""

    def __init__(
        self, net: Network, x: Tensor, c: Tensor, delta: Tensor, control: FusedGuidance, rho: tuple, steps: int
    ) -> None:
        self.net, self.c, self.delta, self.control, self.steps = net, c, delta, control, steps
        self.shares = [*rho, 1.0]
        self.x, self.edit, self.regenerated = x, x, [x] * len(self.shares)
        self.ts = [1 + 1000 // self.steps * k for k in reversed(range(self.steps))]
        self.source: list[list[Tensor]] = []
        self.rich: list[list[list[Tensor]]] = []
        self.prediction: tuple[Tensor, Tensor] | None = None

    def guided(self, x: Tensor, text: Tensor, reference: list[Tensor], t: int, weight: float = 0.1) -> Tensor:
        def distance(rows: Tensor) -> Tensor:
            self.net(rows, t, text)
            return sum(((m - r) ** 2).sum((1, 2)).mean(0) for m, r in zip(self.net.maps(), reference, strict=True))

        return descend(x, distance, weight * 26944 / sum(m.shape[1] for m in reference))

    def both(self, maps: list[Tensor]) -> list[Tensor]:
        return [torch.cat([m, m]) for m in maps]

    def walk_source(self, i: int) -> None:
        """Take the source step ``i``; the edit has taken all steps up to i - 2."""
        t = self.ts[i]
        out = self.net(self.x, t, self.c)
        previous, rich = self.both(self.net.maps()), []
        self.source.append(self.net.maps())
        for k, share in enumerate(self.shares):
            chain = self.control.regeneration == "chain"
            y = self.blended(self.regenerated[k] if chain else self.x, i)
            if not chain:
                self.net(y, t, self.c + share * self.delta)
                rich.append(self.net.maps())
                continue
            text = torch.cat([self.c, self.c + share * self.delta])
            rows = self.guided(torch.cat([y, y]), text, previous, t)
            moved = self.net(rows, t, text)
            previous = self.net.maps()
            rich.append([m.chunk(2)[1] for m in previous])
            self.regenerated[k] = guide_and_move(self.net, rows[:1], moved, t, self.steps, 5.0)
        self.rich.append(rich)
        self.x = guide_and_move(self.net, self.x, torch.cat([out, out]), t, self.steps, 5.0)

    def blended(self, y: Tensor, i: int) -> Tensor:
        if self.control.cooperative != "latent-blend" or self.prediction is None:
            return y
        keep, level = 1 - (1 - self.control.regenerated_share) * i / self.steps, self.net.alpha(self.ts[i])
        clean_part, eps = self.prediction
        return keep * y + (1 - keep) * (level.sqrt() * clean_part + (1 - level).sqrt() * eps)

    def reference(self, i: int) -> list[Tensor]:
        around = [k for k in (i - 1, i + 1) if 0 <= k < self.steps]
        named = {"pairwise": (0.25, 0.25, 0.5), "equal": (1 / 3, 1 / 3, 1 / 3)}
        w_x, w_between, w_edited = self.control.fusion_weights or named[self.control.fusion]
        fused = []
        for layer, own in enumerate(self.source[i]):
            between = [self.rich[k][n][layer] for k in around for n in range(len(self.shares) - 1)]
            edited = [self.rich[k][-1][layer] for k in around]
            fused.append(w_x * own + w_between * sum(between) / len(between) + w_edited * sum(edited) / len(edited))
        if self.control.fused_rows == "prompt":
            return [torch.cat([own, m]) for own, m in zip(self.source[i], fused, strict=True)]
        return self.both(fused)

    @torch.no_grad()
    def run(self) -> Tensor:
        # 10, 15, 20 and 25 of 60 are 2/3, 1, 4/3 and 5/3 of 4; the first at a step stays
        first = {1: 0.9, 2: 0.9 * 0.8**3} if self.control.cooperative == "two-gradient" else {}
        self.walk_source(0)
        for i, t in enumerate(self.ts):
            if i + 1 < self.steps:
                self.walk_source(i + 1)
            rows, reference = torch.cat([self.edit, self.edit]), self.reference(i)
            if i in first:
                rows = self.guided(rows, torch.cat([self.c, self.c]), reference, t, 0.1 * first[i])
            text = torch.cat([self.c, self.c + self.delta])
            rows = self.guided(rows, text, reference, t)
            out_n, out_c = (out := self.net(rows, t, text)).chunk(2)
            a = self.net.alpha(t)
            eps = self.net.noise(rows[:1], out_n + 5.0 * (out_c - out_n), a)
            self.prediction = ((rows[:1] - (1 - a).sqrt() * eps) / a.sqrt(), eps)
            self.edit = guide_and_move(self.net, rows[:1], out, t, self.steps, 5.0)
        return self.edit
