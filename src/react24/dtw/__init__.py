"""Dynamic time warping: the plain definition, and one fast engine held to it by tests."""
