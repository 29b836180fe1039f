"""Finding and following one face per video."""
