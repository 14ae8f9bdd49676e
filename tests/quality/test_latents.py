"""How like pictures latents are."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from zeroshift.miniature.quality.agreement import open_pipeline
from zeroshift.miniature.quality.latents import band_energies, latents_of, pooled_psnr, upper_share


def wave(frequency: float) -> torch.Tensor:
    """One wave along a row of 16 x 16 latents, of unit variance."""
    return 2**0.5 * torch.sin(2 * torch.pi * frequency * torch.arange(16) + 0.3).expand(1, 1, 16, 16)


@pytest.mark.parametrize(("cycles", "band"), [(1, 0), (2, 0), (3, 1), (5, 2), (7, 3)])
def test_a_wave_has_its_energy_in_its_own_band(cycles: int, band: int) -> None:
    found = band_energies(wave(cycles / 16))
    assert found.argmax() == band
    assert found[torch.arange(4) != band].abs().max() < 1e-12
    assert upper_share(wave(cycles / 16)) == pytest.approx(float(band >= 2))


def test_energies_of_all_coefficients_are_the_mean_square() -> None:
    latents = torch.randn(3, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    largest = torch.fft.fftfreq(16).abs().mul(16).round()
    counts = [
        sum(1 for a in largest for b in largest if low < max(a, b) <= low + 2 or low == max(a, b) == 0)
        for low in (0, 2, 4, 6)
    ]
    weighed = sum(float(e) * n for e, n in zip(band_energies(latents), counts, strict=True)) / 256
    assert sum(counts) == 256
    assert weighed == pytest.approx(float(latents.double().square().mean()), rel=1e-9)


def test_pictures_averaged_are_what_averaged_latents_are_held_against(model: Path) -> None:
    vae = open_pipeline(model).vae
    pictures = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        z = vae.encode(pictures.float() / 127.5 - 1).latent_dist.mean
        shown = ((vae.decode(F.interpolate(z, scale_factor=0.5, mode="area")).sample + 1) * 127.5).round().clamp(0, 255)
    small = F.interpolate(pictures.float(), scale_factor=0.5, mode="area").round()
    error = (shown.double() - small.double()).square().mean((1, 2, 3))
    assert pooled_psnr(vae, pictures, batch=2) == pytest.approx(float((10 * torch.log10(255**2 / error)).mean()))
    assert torch.allclose(latents_of(vae, pictures, batch=2), z * vae.config.scaling_factor, atol=1e-6)
