"""What a person types: ``react24 COMMAND``."""
