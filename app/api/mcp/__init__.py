"""Model Context Protocol: tools and resources over the same use cases, for agents and chats."""
