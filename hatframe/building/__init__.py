"""From C to a package: the sources are compiled, and their declarations and comments become the metadata."""
