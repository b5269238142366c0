"""Records on their way out: to the run's writer, and from forked children to the session."""
