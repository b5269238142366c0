"""What all host processes of one machine see: memory, locks on it, and the table of processes in it."""
