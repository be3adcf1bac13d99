/* The functions of math.h that the Universal C Runtime has in its headers only, or by another name. */

double fabs(double x);
double frexp(double x, int *exponent);
double ldexp(double x, int exponent);
float _hypotf(float x, float y);

float fabsf(float x) { return (float)fabs(x); }
float frexpf(float x, int *exponent) { return (float)frexp(x, exponent); }
float ldexpf(float x, int exponent) { return (float)ldexp(x, exponent); }
float hypotf(float x, float y) { return _hypotf(x, y); }
