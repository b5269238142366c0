"""Two runs beside each other: what was called more or less, and where their traces part."""
