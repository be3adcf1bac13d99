"""The .hat file: its model, reading, style-preserving editing, schema and rendering.

A .hat file is untrusted text: nothing here runs or loads code.
"""
