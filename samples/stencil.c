/* One step of heat flow on a grid: each inner point becomes the mean of itself and its four neighbors. */
enum { ROWS = 512, COLUMNS = 1024, BLOCK = 256 };

static float mean(const float in[ROWS][COLUMNS], int i, int j) {
    return 0.2f * (in[i][j] + in[i - 1][j] + in[i + 1][j] + in[i][j - 1] + in[i][j + 1]);
}

/* Row by row, without the border.
 * @param in the temperatures before
 * @param out the temperatures after; the border stays unchanged
 * @hat flops: 5*(ROWS - 2)*(COLUMNS - 2)
 * @hat reference inner = in_[1:-1, 1:-1] + in_[:-2, 1:-1] + in_[2:, 1:-1] + in_[1:-1, :-2] + in_[1:-1, 2:]
 * @hat reference out[1:-1, 1:-1] = 0.2 * inner
 */
void stencil_rows(const float in[restrict ROWS][COLUMNS], float out[restrict ROWS][COLUMNS]) {
    for (int i = 1; i < ROWS - 1; i++)
        for (int j = 1; j < COLUMNS - 1; j++) out[i][j] = mean(in, i, j);
}

/* By blocks of columns, so that three rows of a block fit into the first-level cache.
 * @hat flops: 5*(ROWS - 2)*(COLUMNS - 2)
 * @hat same as stencil_rows
 */
void stencil_blocks(const float in[restrict ROWS][COLUMNS], float out[restrict ROWS][COLUMNS]) {
    for (int jj = 1; jj < COLUMNS - 1; jj += BLOCK)
        for (int i = 1; i < ROWS - 1; i++)
            for (int j = jj; j < jj + BLOCK && j < COLUMNS - 1; j++) out[i][j] = mean(in, i, j);
}
