"""Side-by-side runs of our models and the official code; entry point ``official_models.py``."""
