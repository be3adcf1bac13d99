/* A C program that uses a package: it includes the .hat file, and links the library.
 *
 *     hatframe build samples/gemm.c -o gemm.hat --static      static
 *     cc -I . samples/program.c libgemm.a -o program
 *
 *     hatframe build samples/gemm.c -o gemm.hat               dynamic
 *     cc -I . samples/program.c -L . -lgemm -Wl,-rpath,. -o program
 */
#include <stdio.h>

#include "gemm.hat"

enum { SIZE = 256 };

static float a[SIZE * SIZE], b[SIZE * SIZE], slow[SIZE * SIZE], fast[SIZE * SIZE];

int main(void) {
    /* The products and sums of small integers are exact in any order. */
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
