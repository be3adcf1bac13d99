"""C as data: types, size expressions, layouts, and the declaration parser."""
