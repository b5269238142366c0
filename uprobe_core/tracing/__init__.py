"""Event lines at work: events on probes, their triggers, and what they found."""
