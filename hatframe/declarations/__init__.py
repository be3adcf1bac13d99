"""C declarations: finding the functions that the code of a .hat file declares."""
