"""Reactions, sampled from trained models or made by the baselines."""
