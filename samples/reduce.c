/* The sum of an array of any length, as a return value. How many additions can overlap? */

/* One after the other: each addition waits for the one before.
 * @param n the number of elements
 * @param x the numbers
 * @return their sum
 * @hat flops: n
 * @hat reference return = sum(x)
 */
double sum_in_order(int n, const double x[n]) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum;
}

enum { LANES = 32 };

/* Many partial sums, which the compiler keeps in vector registers.
 * @hat flops: n
 * @hat reference return = sum(x)
 */
double sum_in_lanes(int n, const double x[n]) {
    double lanes[LANES] = {0}, sum = 0;
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int lane = 0; lane < LANES; lane++) lanes[lane] += x[i + lane];
    for (; i < n; i++) sum += x[i];
    for (int lane = 0; lane < LANES; lane++) sum += lanes[lane];
    return sum;
}

/* Recursive halving, with a rounding error that grows only with the logarithm of n.
 * @hat flops: n
 * @hat reference return = sum(x)
 */
double sum_in_halves(int n, const double x[n]) {
    if (n <= 256) return sum_in_lanes(n, x);
    return sum_in_halves(n / 2, x) + sum_in_halves(n - n / 2, x + n / 2);
}
