static void swap(int *a, int *b) {
    const int other = *a;
    *a = *b;
    *b = other;
}

/** Sorts n numbers in place, by quicksort; small parts by insertion.
 * @hat n example 1000
 * @hat reference numbers = sort(numbers) */
void sort(int n, int numbers[n]) {
    while (n > 16) {
        swap(&numbers[n / 2], &numbers[n - 1]);
        int smaller = 0;
        for (int i = 0; i < n - 1; i++)
            if (numbers[i] < numbers[n - 1]) swap(&numbers[i], &numbers[smaller++]);
        swap(&numbers[smaller], &numbers[n - 1]);
        sort(smaller, numbers);
        numbers += smaller + 1;
        n -= smaller + 1;
    }
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && numbers[k] < numbers[k - 1]; k--) swap(&numbers[k], &numbers[k - 1]);
}
