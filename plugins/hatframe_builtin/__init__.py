"""The backends that ship with hatframe, each found by its entry point, as anyone else's are."""
