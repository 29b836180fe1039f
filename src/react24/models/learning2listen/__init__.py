"""Learning2Listen, the model that configurations call ``tranvae``."""
