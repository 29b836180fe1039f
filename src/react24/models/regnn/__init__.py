"""REGNN: a reversible graph network of appropriate reactions."""
