"""From a running answer to its origin: image, release, commits, model, training data, and who let it pass."""
