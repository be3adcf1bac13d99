#include <stdint.h>
#include <stdlib.h>

/** All integers from start up to, but not including, limit, in steps of delta.
 * @hat start input example 0
 * @hat limit input example 1000
 * @hat delta input example 1
 * @hat count output
 * @hat output[count] output
 * @hat reference output = arange(start, limit, delta); count = size(arange(start, limit, delta)) */
void Range(const int32_t *start, const int32_t *limit, const int32_t *delta, uint32_t *count, int32_t **output) {
    const int64_t span = (int64_t)*limit - *start;
    *count = span > 0 ? (uint32_t)((span + *delta - 1) / *delta) : 0;
    *output = malloc(*count * sizeof(int32_t));
    for (uint32_t i = 0; *output && i < *count; i++) (*output)[i] = *start + (int32_t)i * *delta;
}
