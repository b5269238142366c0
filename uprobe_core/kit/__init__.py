"""Projects for those who extend uprobe: one that installs and passes its tests, to start from."""
