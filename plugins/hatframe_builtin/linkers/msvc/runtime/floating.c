/* What compilers for Windows refer to in every object that uses floating-point numbers; only its presence counts. */

int _fltused = 1;
