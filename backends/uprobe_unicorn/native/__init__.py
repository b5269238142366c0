"""The CPU with hooks in C, and where native sites lie in the program."""
