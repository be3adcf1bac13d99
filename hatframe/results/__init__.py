"""The results of a run: the document, its statistics and ranking, and comparisons."""
