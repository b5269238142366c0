"""A set-up in its forms: TOML file, command line texts, keyword arguments; each becomes a ``RunSetup``."""
