"""The meters that ship with hatframe."""
