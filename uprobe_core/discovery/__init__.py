"""Finding plugins: by name (stevedore) and those that are always called (pluggy); whoever fails is named."""
