"""A small corpus of made conversations whose true faces are known."""
