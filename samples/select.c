/* The numbers of an array that are over a threshold: how many there will be, only the function can tell. */
#include <stdlib.h>

/* Counts first, and allocates just what it needs.
 * @param n how many numbers there are
 * @param x the numbers
 * @param threshold what they must be over
 * @param[out] count how many are
 * @param found those that are, in their order; allocated by the function, and freed by the caller
 * @hat count output
 * @hat found[count] output
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

/* Goes through the numbers once, into as much memory as it could need at the most.
 * @hat count output
 * @hat found[count] output
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
