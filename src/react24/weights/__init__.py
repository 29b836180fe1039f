"""Weights files: where they come from, how they are read without running anything in them."""
