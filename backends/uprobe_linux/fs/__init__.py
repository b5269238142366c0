"""The guest's files: path resolution inside the sandbox, descriptors, /proc and /dev."""
