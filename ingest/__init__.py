"""From a file to vectors: parsing, cutting into units, embedding, committing."""
