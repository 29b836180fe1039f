"""Trans-VAE, the baseline of the REACT challenges.

To be read in this order: ``settings``; ``encoder``, the speaker's pictures and sound; ``decoder``,
the latent and the reaction written from it; ``network``, both together, the loss and the sampler;
``tasks``, training. ``official`` takes the challenge's checkpoints.
"""
