"""REGNN: a reversible graph network of appropriate reactions.

From the configuration to a reaction, in this order: ``settings`` checks and names the rest;
``perception`` fuses what is seen and heard of the speaker (``dropout``: what it drops, cheaply);
``graph`` makes points and edges of that, maps reactions to points, and points back to reactions;
``network`` joins them, with the losses and the sampler; ``tasks`` puts it on the training loop.
``official`` takes the authors' checkpoints.
"""
