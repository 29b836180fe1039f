"""react24: facial reaction generation from raw conversations to a table of metrics."""

__version__ = "0.2.0"
