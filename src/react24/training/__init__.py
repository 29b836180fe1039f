"""Training: one explicit loop, its tasks, data feed, checkpoints and random streams."""
