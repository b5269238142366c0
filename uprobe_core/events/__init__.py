"""The event language: what ``uprobe_events`` takes, prints, counts and refuses.

Nothing is imported here, so that naming one module of the package loads only
that module; see ``docs/events.md`` for the map.
"""
