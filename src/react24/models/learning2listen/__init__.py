"""Learning2Listen, the model that configurations call ``tranvae``.

To be read in this order: ``settings``; ``motion``, its units and smoothing; ``blocks``, what both
networks are made of; ``codebook``, stage 1; ``predictor``, stage 2; ``sampling``, reactions drawn
code by code. Training: ``sequences``, what is cut from the clips; ``emotion``, the head that reads
behaviour off motion; ``tasks``. ``official`` takes the authors' checkpoints.
"""
