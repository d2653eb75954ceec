"""Recipes that make models: the bundled one, step by step."""
