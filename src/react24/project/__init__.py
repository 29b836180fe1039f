"""What a run is about: its settings and its sample sheet."""
