"""Training a miniature text-to-image latent diffusion model from scratch (extra ``[train]``)."""
