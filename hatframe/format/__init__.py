"""The .hat file: its model, reading, style-preserving editing, schema and rendering.

Nothing in here runs or loads code: a .hat file is untrusted text.
"""
