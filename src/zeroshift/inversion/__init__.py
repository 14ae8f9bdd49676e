"""Ways from a clean latent to the noise that it comes from."""
