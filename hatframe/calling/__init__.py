"""From metadata to a C call: element types, layouts, size expressions, argument checks, buffers and timers."""
