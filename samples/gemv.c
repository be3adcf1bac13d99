/* A matrix times a vector, y = A * x, with sizes known only at run time. */

/* Row by row: a dot product for each element of y.
 * @param m the number of rows of A
 * @param n the number of columns of A
 * @param a the matrix
 * @param x the vector
 * @param[out] y the product
 * @hat flops: 2*m*n
 * @hat reference y = a @ x
 */
void gemv_rows(int m, int n, const float a[m][n], const float x[n], float y[m]) {
    for (int i = 0; i < m; i++) {
        float sum = 0;
        for (int j = 0; j < n; j++) sum += a[i][j] * x[j];
        y[i] = sum;
    }
}

/* Four rows at once, so that each element of x is loaded once for all four.
 * @param[out] y the product
 * @hat flops: 2*m*n
 * @hat reference y = a @ x
 */
void gemv_four_rows(int m, int n, const float a[m][n], const float x[n], float y[m]) {
    int i = 0;
    for (; i + 4 <= m; i += 4) {
        float sums[4] = {0};
        for (int j = 0; j < n; j++)
            for (int row = 0; row < 4; row++) sums[row] += a[i + row][j] * x[j];
        for (int row = 0; row < 4; row++) y[i + row] = sums[row];
    }
    if (i < m) gemv_rows(m - i, n, &a[i], x, &y[i]);
}
