"""The sinks that ship with hatframe."""
