/* Functions that are wrong, each in one way, and right ones that look suspicious. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N 64
typedef float v8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float v8a __attribute__((vector_size(32), aligned(32), may_alias));
static volatile int one = 1;
static void hide(const void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }
static void copy(const float *x, float *y) { for (int i = 0; i < N; i++) y[i] = 2 * x[i]; }

/* bounds */
void reads_past_end(const float *x, float *y) { copy(x, y); y[0] += 0 * ((volatile const float *)x)[N]; y[0] = 2 * x[0]; }
void reads_before(const float *x, float *y) { copy(x, y); (void)((volatile const float *)x)[-one]; }
void reads_vector_past_end(const float *x, float *y) {
    copy(x, y);
    v8 last = *(const v8 *)(x + N - 4);
    hide(&last);
}
void writes_past_1(const float *x, float *y) { copy(x, y); ((volatile char *)(y + N))[0] = 1; }
void writes_past_64(const float *x, float *y) { copy(x, y); ((volatile char *)(y + N))[63] = 1; }
void writes_past_4096(const float *x, float *y) { copy(x, y); ((volatile char *)(y + N))[4095] = 1; }
void writes_before_1(const float *x, float *y) { copy(x, y); ((volatile char *)y)[-one] = 1; }
void writes_before_64(const float *x, float *y) { copy(x, y); ((volatile char *)y)[-64] = 1; }
void writes_before_4096(const float *x, float *y) { copy(x, y); ((volatile char *)y)[-4096] = 1; }
void writes_gap(const float *x, float *y) { /* 8 rows of 8 in rows of 16 */
    for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) y[16 * i + j] = x[8 * i + j];
    y[16 + 9] = 1;
}
/* usage */
void writes_input(float *x, float *y) { copy(x, y); ((volatile float *)x)[5] = 1; }
void sorts_input(float *x, float *y) { float t = x[0]; x[0] = x[1]; x[1] = t; copy(x, y); }
void output_untouched(const float *x, float *y, float *z) { copy(x, y); hide(z); }
void output_partly(const float *x, float *y) { for (int i = 0; i < N - 1; i++) y[i] = x[i]; }
void adds_to_output(const float *x, float *y) { for (int i = 0; i < N; i++) y[i] += x[i]; }
float returns_of_output(const float *x, float *y) { float old = y[0]; copy(x, y); return old; }
/* determinism */
void counts_calls(const float *x, float *y) { static int calls; copy(x, y); y[0] = (float)++calls; }
void draws_numbers(const float *x, float *y) { copy(x, y); y[7] = (float)rand(); }
void by_address(const float *x, float *y) { copy(x, y); y[3] = (float)((uintptr_t)x >> 12 & 7); }
void shares_buffer(const float *x, float *y) {
    static float buffer[N];
    for (int i = 0; i < N; i++) ((volatile float *)buffer)[i] = 2 * x[i];
    usleep(100);
    memcpy(y, buffer, sizeof buffer);
}
/* values */
void divides_by_zero(const float *x, float *y) { copy(x, y); y[2] = x[2] / (x[0] - x[0]); }
void roots_of_negative(const float *x, float *y) { copy(x, y); y[9] = sqrtf(-x[9]); }
/* shapes */
void only_multiples_of_8(int n, const float *x, float *y) {
    for (int i = 0; i < n; i += 8) for (int j = 0; j < 8; j++) ((volatile float *)y)[i + j] = x[i + j];
}
void drops_tail(int n, const float *x, float *y) { for (int i = 0; i + 4 <= n; i += 4) memcpy(y + i, x + i, 16); }
int divides_by_size(int n, const int *x) { return 1000 / (n / 16 * one) + (n ? x[0] : 0); } /* by its blocks of 16 */
void swaps_sizes(int m, int n, const float *x, float *y) {
    for (int i = 0; i < n; i++) for (int j = 0; j < m; j++) ((volatile float *)y)[i * m + j] = x[j * n + i];
    if (m > n && n) (void)((volatile const float *)x)[m * m - 1];
}
/* agreement */
void product_transposed(const float *a, const float *b, float *c) {
    for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) {
        c[8 * i + j] = 0;
        for (int k = 0; k < 8; k++) c[8 * i + j] += a[8 * i + k] * b[8 * j + k];
    }
}
/* crash and timeout */
void dereferences_null(const float *x, float *y) { copy(x, y); *(volatile int *)(uintptr_t)(8 * (one - 1)) = 1; }
void calls_exit(const float *x, float *y) { copy(x, y); _exit(3); }
void never_returns(const float *x, float *y) { copy(x, y); while (one) usleep(1000); }

/* right */
void right_copy(const float *x, float *y) { copy(x, y); }
void right_in_place(float *y) { for (int i = 0; i < N; i++) y[i] += 1; }
void right_strided(const float *x, float *y) { for (int i = 0; i < 8; i++) y[3 * i] = x[3 * i]; }
void right_padded(const float *x, float *y) {
    for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) y[5 + 16 * i + j] = x[8 * i + j];
}
void right_reversed(const float *x, float *y) { for (int i = 0; i < 8; i++) y[-i] = x[i]; }
void right_aligned(const float *x, float *y) {
    for (int i = 0; i < N; i += 8) {
        v8a v = *(const v8a *)(x + i);
        *(v8 *)(y + i) = v + v;
    }
}
void right_product(const float *a, const float *b, float *c) {
    for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) {
        float sum = 0;
        for (int k = 0; k < 8; k++) sum += a[8 * i + k] * b[8 * k + j];
        c[8 * i + j] = sum;
    }
}
void right_product_reordered(const float *a, const float *b, float *c) {
    memset(c, 0, 256);
    for (int i = 0; i < 8; i++) for (int k = 0; k < 8; k++) for (int j = 0; j < 8; j++) c[8 * i + j] += a[8 * i + k] * b[8 * k + j];
}
void right_product_double(const float *a, const float *b, float *c) {
    for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) {
        double sum = 0;
        for (int k = 7; k >= 0; k--) sum += (double)a[8 * i + k] * b[8 * k + j];
        c[8 * i + j] = (float)sum;
    }
}
float right_sum(int n, const float *x) { float sum = 0; for (int i = 0; i < n; i++) sum += x[i]; return sum; }
float right_sum_backwards(int n, const float *x) { float sum = 0; while (n--) sum += x[n]; return sum; }
float right_sum_in_lanes(int n, const float *x) {
    float lanes[8] = {0}, sum = 0;
    int i = 0;
    for (; i + 8 <= n; i += 8) for (int j = 0; j < 8; j++) lanes[j] += x[i + j];
    for (; i < n; i++) sum += x[i];
    for (int j = 0; j < 8; j++) sum += lanes[j];
    return sum;
}
int32_t right_integers(int n, const int32_t *x) { uint32_t sum = 0; for (int i = 0; i < n; i++) sum += x[i]; return sum; }
void right_gather(int n, const int32_t *index, const float *x, float *y) { for (int i = 0; i < n; i++) y[i] = x[index[i]]; }
void right_leading(int m, int n, int ld, const float *x, float *y) {
    for (int i = 0; i < m; i++) for (int j = 0; j < n; j++) y[i * n + j] = x[i * ld + j];
}
void right_sizes_last(const double *x, double *y, int64_t m, int64_t n) {
    for (int64_t i = 0; i < m; i++) for (int64_t j = 0; j < n; j++) y[j * m + i] = x[i * n + j];
}
void right_count(int n, const float *x, float limit, int *count) {
    *count = 0;
    for (int i = 0; i < n; i++) *count += x[i] > limit;
}
void right_found(int n, const float *x, float limit, int *count, float **found) {
    right_count(n, x, limit, count);
    float *next = *found = malloc((n + 1) * sizeof(float));
    for (int i = 0; i < n; i++) if (x[i] > limit) *next++ = x[i];
}
void right_scratch(const float *x, float *y) {
    static _Thread_local float buffer[N];
    for (int i = 0; i < N; i++) ((volatile float *)buffer)[i] = 2 * x[i];
    memcpy(y, buffer, sizeof buffer);
}
void right_rectifier(const int8_t *x, int8_t *y) { for (int i = 0; i < N; i++) y[i] = x[i] < 0 ? 0 : x[i]; }
