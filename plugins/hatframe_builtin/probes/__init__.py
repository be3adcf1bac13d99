"""The probes that ship with hatframe."""
