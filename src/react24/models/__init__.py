"""Generative models, one module (or a small family of modules) per model, and their registry."""
