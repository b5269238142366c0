"""Is everything in order: what is installed, which engine runs, and one probe that is tried."""
