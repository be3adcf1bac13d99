"""An example of a plugin distribution: a loader, a sink and a command."""
