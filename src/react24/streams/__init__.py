"""One file per extractor: each turns one person's track or sound into a stream at 25 frames/s."""
