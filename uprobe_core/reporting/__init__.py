"""A run as a document for people: one self-contained page, or Markdown."""
