"""BeLFusion: a VAE of behaviour windows, and diffusion of its codes.

From the configuration to a reaction, in this order: ``settings`` checks and names the rest;
``vae`` is stage 1, a window to a code and back (``recurrence``: its two GRUs); ``denoiser`` is the
network of stage 2; ``diffusion`` trains it on pairs of codes, and draws codes and reactions;
``tasks`` puts both stages on the training loop. ``official`` takes the authors' checkpoints.
"""
