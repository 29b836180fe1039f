"""Training: one explicit loop, the datasets and batches it reads, what it keeps and records."""
