"""Tables, plots and captions made from scored reactions."""
