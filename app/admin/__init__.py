"""The pages for the people who keep the articles: server-rendered, over the same use cases."""
