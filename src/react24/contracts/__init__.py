"""What one implements to extend react24: a stream, a model, a task of training."""
