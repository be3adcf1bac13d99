/* The check of Microsoft's compiler (/GS) for stack buffers that were overrun.

   The cookie is its default one and the same in every process: it finds faults but does not stop an attacker. */

#if defined(__x86_64__)

unsigned long long __security_cookie = 0x00002B992DDFA232ULL;

/* Called as a function returns, so that every register must stay as it is. Interrupt 0x29 ends the process. */
__asm__(
    ".text\n"
    ".globl __security_check_cookie\n"
    "__security_check_cookie:\n"
    "    cmpq __security_cookie(%rip), %rcx\n"
    "    jne 1f\n"
    "    ret\n"
    "1:  movl $2, %ecx\n"
    "    int $0x29\n");

/* Asked when an exception passes: it is to look further. */
int __GSHandlerCheck(void *record, void *frame, void *context, void *dispatcher) { return 1; }

#endif
