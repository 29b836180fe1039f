"""BeLFusion: a VAE of behaviour windows and latent diffusion."""
