"""The model: which checkpoint, and how it is run."""
