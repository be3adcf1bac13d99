"""The .hat file, which is untrusted text: nothing here runs or loads code."""
