/* Functions that read through indices: random ones make sense only within the array that they point into. */
#include <stdint.h>

/* y[i] = x[index[i]]
 * @param[out] y the elements of x, in the order of index
 * @hat index in 0..m
 * @hat reference y = x[index]
 */
void gather(int n, int m, const float x[m], const int32_t index[n], float y[n]) {
    for (int i = 0; i < n; i++) y[i] = x[index[i]];
}

/* The product of a sparse matrix in CSR format and a vector.
 * @param start the position of the first element of each row in value and column; that of the end comes last
 * @param column the column of each element
 * @param[out] y the product
 * @hat start in 0..elements+1 sorted
 * @hat column in 0..columns
 * @hat elements example 4096
 */
void csr_product(int rows, int columns, int elements, const int32_t start[rows + 1], const int32_t column[elements],
                 const double value[elements], const double x[columns], double y[rows]) {
    for (int i = 0; i < rows; i++) {
        double sum = 0;
        for (int32_t j = start[i]; j < start[i + 1]; j++) sum += value[j] * x[column[j]];
        y[i] = sum;
    }
}

/* Replaces each byte by its entry in a table, as substitutions and corrections of colours do.
 * @param[out] y the bytes replaced
 * @hat table permutation
 * @hat reference y = table[x]
 */
void look_up(int n, const uint8_t x[n], const uint8_t table[256], uint8_t y[n]) {
    for (int i = 0; i < n; i++) y[i] = table[x[i]];
}
