/* A C program that uses a package: its .hat file is the header, and its library is linked.
 *
 *     hatframe build samples/gemm.c -o gemm.hat --static      a static package
 *     cc -I . samples/program.c gemm.a -o program
 *
 *     hatframe build samples/gemm.c -o gemm.hat               a dynamic one
 *     cc -I . samples/program.c gemm.so -Wl,-rpath,. -o program
 */
#include <stdio.h>

#include "gemm.hat"

enum { SIZE = 256 };

static float a[SIZE * SIZE], b[SIZE * SIZE], slow[SIZE * SIZE], fast[SIZE * SIZE];

int main(void) {
    /* Small whole numbers: their products and sums are exact, in whatever order they are added. */
    for (int i = 0; i < SIZE * SIZE; i++) {
        a[i] = (float)(i % 7);
        b[i] = (float)(i % 5);
    }
    gemm_naive(a, b, slow);
    gemm_registers(a, b, fast);
    for (int i = 0; i < SIZE * SIZE; i++)
        if (slow[i] != fast[i]) {
            printf("the schedules differ at %d: %g and %g\n", i, slow[i], fast[i]);
            return 1;
        }
    printf("the schedules agree; the last element is %g\n", fast[SIZE * SIZE - 1]);
    return 0;
}
