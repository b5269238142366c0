"""What a run is expected to find: statements about it, whether they held, and how that is told."""
