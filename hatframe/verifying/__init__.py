"""What functions do, held against what their metadata say, against references, and against each other."""
