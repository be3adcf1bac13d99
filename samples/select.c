/* The numbers of an array that exceed a threshold; only the function knows how many there are. */
#include <stdlib.h>

/* Counts first, then allocates exactly the memory that it needs.
 * @param n the number of elements of x
 * @param x the numbers
 * @param threshold the largest number to leave out
 * @param[out] count the number of elements found
 * @param found the elements found, in order; allocated by the function, freed by the caller
 * @hat count output
 * @hat found[count] output
 * @hat reference found = x[x > threshold]; count = sum(x > threshold)
 */
void select_counting(int n, const float x[n], float threshold, int *count, float **found) {
    *count = 0;
    for (int i = 0; i < n; i++) *count += x[i] > threshold;
    float *next = *found = malloc((*count ? *count : 1) * sizeof **found);
    if (!next) {
        *count = 0;
        return;
    }
    for (int i = 0; i < n; i++)
        if (x[i] > threshold) *next++ = x[i];
}

/* Reads the numbers once, and allocates the memory that all of them would need.
 * @hat count output
 * @hat found[count] output
 * @hat reference found = x[x > threshold]; count = sum(x > threshold)
 */
void select_at_once(int n, const float x[n], float threshold, int *count, float **found) {
    *count = 0;
    *found = malloc((n > 0 ? n : 1) * sizeof **found);
    if (!*found) return;
    for (int i = 0; i < n; i++) {
        (*found)[*count] = x[i];
        *count += x[i] > threshold;
    }
}
