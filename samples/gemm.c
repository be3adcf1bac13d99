/* One matrix product, C += A * B of 256 x 256 floats, in three schedules: which is the fastest here? */
enum { N = 256, TILE = 32 };

/* The loops in the order of the formula: B is read down its columns, against its layout. */
void gemm_naive(const float *a, const float *b, float *c) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            float sum = c[i * N + j];
            for (int k = 0; k < N; k++) sum += a[i * N + k] * b[k * N + j];
            c[i * N + j] = sum;
        }
}

/* The inner loop runs along the rows of B and C, so that the compiler can use vector instructions. */
void gemm_reordered(const float *restrict a, const float *restrict b, float *restrict c) {
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            const float factor = a[i * N + k];
            for (int j = 0; j < N; j++) c[i * N + j] += factor * b[k * N + j];
        }
}

/* The same in tiles that stay in the first-level cache. */
void gemm_tiled(const float *restrict a, const float *restrict b, float *restrict c) {
    for (int ii = 0; ii < N; ii += TILE)
        for (int kk = 0; kk < N; kk += TILE)
            for (int i = ii; i < ii + TILE; i++)
                for (int k = kk; k < kk + TILE; k++) {
                    const float factor = a[i * N + k];
                    for (int j = 0; j < N; j++) c[i * N + j] += factor * b[k * N + j];
                }
}
