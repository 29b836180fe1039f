"""What a person types: ``react24 COMMAND``. The table of commands is in ``react24.cli.main``."""
