"""A package on disk: finding, naming, packing, unpacking, the confinement of its dependencies, and the store."""
