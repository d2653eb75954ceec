"""Use cases that answer a question: search, context, explain, rerank."""
