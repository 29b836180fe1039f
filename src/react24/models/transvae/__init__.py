"""Trans-VAE, the REACT baseline with a transformer and a VAE."""
