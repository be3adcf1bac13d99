"""The results document: what a run measured, on what machine, of which packages."""
