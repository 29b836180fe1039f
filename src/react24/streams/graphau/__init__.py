"""The 25-D emotion stream, a file per backend."""
