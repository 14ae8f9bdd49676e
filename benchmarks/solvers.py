"""Which solver needs the fewest steps: ``python -m benchmarks.solvers``.

The shipped model samples a cat, without guidance and guided, from the same noises by every solver and number of steps.
Prints how near the latent comes to that of many steps of DDIM, as a signal-to-noise ratio in dB, mean over noises. The
solvers are diffusers'; ours is equal to its DPM-Solver++ (2M) by test.
"""

import argparse
from collections.abc import Callable, Sequence

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler
from torch import Tensor

from zeroshift.backbones import load_backbone
from zeroshift.backbones.stable_diffusion import StableDiffusion

SCALE = 4.0
COUNTS = (10, 20, 50)
SOLVERS = {
    "DDIM": DDIMScheduler,
    "DPM-Solver++ (2M)": DPMSolverMultistepScheduler,
    "UniPC (second order)": UniPCMultistepScheduler,
}
Predict = Callable[[Tensor, float], Tensor]


def walked(solver: type, config: object, x: Tensor, steps: int, predict: Predict) -> Tensor:
    """Clean latents after ``steps`` steps of a solver of diffusers from pure noise ``x`` (B, C, h, w)."""
    scheduler = solver.from_config(config, timestep_spacing="trailing")  # type: ignore[attr-defined]
    scheduler.set_timesteps(steps)
    for timestep in scheduler.timesteps:
        x = scheduler.step(predict(x, float(timestep)), timestep, x).prev_sample
    return x


def near(found: Tensor, wanted: Tensor) -> float:
    """Signal-to-noise ratio in dB, the mean over rows."""
    power, error = (one.square().flatten(1).mean(1) for one in (wanted, found - wanted))
    return float((10 * torch.log10(power / error)).mean())


@torch.no_grad()
def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.solvers")
    asked.add_argument("--count", type=int, default=3, help="noises", metavar="N")
    asked.add_argument("--fine", type=int, default=250, help="steps that stand for the truth", metavar="N")
    given = asked.parse_args(words)
    backbone = load_backbone(device="cpu", precision="fp32")
    assert isinstance(backbone, StableDiffusion)
    side, config = backbone.size // backbone.factor, backbone.scheduler.config
    shape = (given.count, backbone.latent_channels, side, side)
    start = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    cat, empty = (backbone.embed([text]).repeat(given.count) for text in ("a photo of a cat", ""))

    def plain(x: Tensor, timestep: float) -> Tensor:
        return torch.as_tensor(backbone.unet(x, timestep, cat.tokens).sample)

    def guided(x: Tensor, timestep: float) -> Tensor:
        base = torch.as_tensor(backbone.unet(x, timestep, empty.tokens).sample)
        return base + SCALE * (plain(x, timestep) - base)

    print(f"| guidance scale | solver | {' | '.join(f'{n} steps' for n in COUNTS)} |")
    print(f"|---|---|{'---|' * len(COUNTS)}")
    for scale, way in ((1.0, plain), (SCALE, guided)):
        truth = walked(DDIMScheduler, config, start, given.fine, way)
        for label, solver in SOLVERS.items():
            cells = [f"{near(walked(solver, config, start, steps, way), truth):.1f}" for steps in COUNTS]
            print(f"| {scale:g} | {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
