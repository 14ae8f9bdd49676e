"""What the restorer learns of eyes and faces, where it is known where they are."""

from typing import final

import torch
from torch import Tensor

from zeroshift.miniature.restorer_network import RestorerNetwork
from zeroshift.miniature.training.adversary import Adversary
from zeroshift.miniature.training.decoder import unlike_each
from zeroshift.miniature.training.eyes import APART, AS_PHOTOGRAPHED, EYES, FACES, Eyes, Part, eyes_in
from zeroshift.miniature.training.loop import StageOptions
from zeroshift.miniature.training.restorer_examples import RestorerExamples
from zeroshift.miniature.training.restorer_stage import CHANNELS, Drawn, RestorerStage, one_of_each

OWN_EYES, OF_EYES, OF_FACES = 0.5, 0.5, 0.25
"""weights of eyes' pixels and features, and of the verdicts on eyes and on faces"""
FEWEST = 8
"""photographs with clear eyes that an animal needs for a verdict on what was made of it"""


@final
class RestorerEyesStage(RestorerStage):
    """A restorer's training in which eyes, and the faces around them, count once more, with their own adversaries.

    The colours of eyes are free: one that was drawn in the colours of fur is to become dark.
    """

    def __init__(
        self,
        network: RestorerNetwork,
        photographs: Tensor,
        animals: Tensor,
        examples: RestorerExamples,
        options: StageOptions,
        found: tuple[Tensor, Tensor],
    ) -> None:
        """``found`` is where the points of photographs and of examples are, as ``MarkNetwork.find`` says."""
        super().__init__(network, photographs, animals, examples, options)
        side = photographs.shape[-1]
        (self.photographed, clear), (self.in_drawn, _) = (eyes_in(one, side) for one in found)
        clear = clear & FACES.whole(self.photographed, side)
        self.clear = [rows[clear[rows]] for rows in self.every]
        self.of_eyes, self.of_faces = (Adversary(CHANNELS, len(self.every)) for _ in range(2))

    def beside(self, made: Tensor, x: Tensor, of: Drawn, told: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        photographed, drawn = self.inside(self.photographed[of.begun], of), self.inside(self.there(of), of)
        loss = paid = made.new_zeros(())
        rows = (photographed.seen & (of.known > 0)).nonzero()[:, 0]
        if len(rows):
            told["eyes"] = self.unlike(made[rows], x[rows], photographed.at[rows], of.known[rows])
            loss = OWN_EYES * told["eyes"]
        able = torch.tensor([len(self.clear[int(k)]) >= FEWEST for k in of.target])
        large = drawn.apart > APART * self.photographs.shape[-1]
        for number, adversary, part, weight in (
            (2, self.of_eyes, EYES, OF_EYES),
            (3, self.of_faces, FACES, OF_FACES),
        ):
            rows = (part.whole(drawn, self.side) & able & large).nonzero()[:, 0]
            if len(rows):
                target, said = of.target[rows], dict[str, Tensor]()
                maps = self.maps(self.real(part, target)), self.maps(part.cut(made[rows], drawn.at[rows]))
                twice = target.repeat(len(maps[1][0]) // len(rows)).to(made.device)
                paid = paid + self.against(
                    adversary, *maps, twice, said, number=number, weight=weight, penalised=self.penalised
                )
                told[f"of_{part.name}"] = said["adversary"]
        return loss, paid

    def there(self, of: Drawn) -> Eyes:
        """The eyes of the examples."""
        found = self.in_drawn[of.rows]
        return found.or_else(self.photographed[of.begun], (of.same > 0) & (of.noise < AS_PHOTOGRAPHED))

    def inside(self, eyes: Eyes, of: Drawn) -> Eyes:
        """The same in the details."""
        return eyes.inside(of.left, of.top, self.side).mirrored(of.mirrored, self.side)

    def free(self, of: Drawn) -> Tensor:
        return self.inside(self.there(of), of).around(self.side)

    def unlike(self, made: Tensor, x: Tensor, at: Tensor, known: Tensor) -> Tensor:
        """How much the eyes of what was made differ from those of the photographs ``x``, in pixels and features."""
        drawn, wanted = EYES.cut(made, at), EYES.cut(x, at)
        with torch.no_grad():
            seen = self.maps(wanted)
        weight = torch.cat([known, known]).to(made)
        each = unlike_each(self.maps(drawn), seen) + (drawn - wanted).abs().mean((1, 2, 3))
        return (each * weight).mean()

    @torch.no_grad()
    def real(self, part: Part, target: Tensor) -> Tensor:
        """Parts of photographs that show ``target`` (B,), drawn anew."""
        shown = one_of_each(self.clear, target)
        return part.cut(self.photographs[shown].to(self.device).float() / 127.5 - 1, self.photographed.at[shown])

    def adversaries(self) -> list[Adversary]:
        return [self.adversary, self.of_eyes, self.of_faces]
