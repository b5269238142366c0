"""A run that is spoken to while it runs: its sockets, what is said over them, and who says it."""
