"""The 58-D stream of 3DMM coefficients, a file per backend."""
