"""FRRea, the realism of rendered frames."""
