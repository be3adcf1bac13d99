/* One matrix product, C += A * B with 256 x 256 floats, in four schedules. Which is the fastest here?
 *
 *     hatframe build samples/gemm.c -o gemm.hat
 *     hatframe bench gemm.hat
 *
 * @hat comment: One matrix product in four schedules
 * @hat author: the hatframe authors
 * @hat version: 1.0
 * @hat license: https://opensource.org/license/mit
 */
enum { N = 256, TILE = 32, ROWS = 4, COLUMNS = 32 };

/* The loops in the order of the formula. It reads B by columns, against its layout.
 * @param a the left factor
 * @param b the right factor
 * @param c the matrix to which the product is added
 * @hat flops: 2*N*N*N
 * @hat reference c = c + a @ b
 */
void gemm_naive(const float a[N][N], const float b[N][N], float c[N][N]) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            float sum = c[i][j];
            for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

/* The inner loop goes along the rows of B and C, so the compiler can use vector instructions.
 * @hat flops: 2*N*N*N
 * @hat reference c = c + a @ b
 */
void gemm_reordered(const float a[restrict N][N], const float b[restrict N][N], float c[restrict N][N]) {
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            const float factor = a[i][k];
            for (int j = 0; j < N; j++) c[i][j] += factor * b[k][j];
        }
}

/* The same, in tiles that fit into the first-level cache.
 * @hat flops: 2*N*N*N
 * @hat reference c = c + a @ b
 */
void gemm_tiled(const float a[restrict N][N], const float b[restrict N][N], float c[restrict N][N]) {
    for (int ii = 0; ii < N; ii += TILE)
        for (int kk = 0; kk < N; kk += TILE)
            for (int i = ii; i < ii + TILE; i++)
                for (int k = kk; k < kk + TILE; k++) {
                    const float factor = a[i][k];
                    for (int j = 0; j < N; j++) c[i][j] += factor * b[k][j];
                }
}

/* Small blocks of C stay in registers during the sums over rows of A and columns of B.
 * @hat flops: 2*N*N*N
 * @hat reference c = c + a @ b
 */
void gemm_registers(const float a[restrict N][N], const float b[restrict N][N], float c[restrict N][N]) {
    for (int j = 0; j < N; j += COLUMNS)
        for (int i = 0; i < N; i += ROWS) {
            float block[ROWS][COLUMNS] = {{0}};
            for (int k = 0; k < N; k++)
                for (int ii = 0; ii < ROWS; ii++)
                    for (int jj = 0; jj < COLUMNS; jj++) block[ii][jj] += a[i + ii][k] * b[k][j + jj];
            for (int ii = 0; ii < ROWS; ii++)
                for (int jj = 0; jj < COLUMNS; jj++) c[i + ii][j + jj] += block[ii][jj];
        }
}
