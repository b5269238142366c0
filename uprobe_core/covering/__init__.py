"""Which code was executed: collected over processes, put to functions and lines, written in known formats."""
