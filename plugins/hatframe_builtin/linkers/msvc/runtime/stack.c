/* Touches each page of a stack frame that is larger than one: Windows makes the stack longer only page by page. */

#if defined(__x86_64__)

/* The size is in rax, and every register stays as it is. gcc calls it by the second name. */
__asm__(
    ".text\n"
    ".globl __chkstk\n"
    ".globl ___chkstk_ms\n"
    "__chkstk:\n"
    "___chkstk_ms:\n"
    "    pushq %rcx\n"
    "    pushq %rax\n"
    "    leaq 24(%rsp), %rcx\n"
    "1:  cmpq $0x1000, %rax\n"
    "    jbe 2f\n"
    "    subq $0x1000, %rcx\n"
    "    testq %rcx, (%rcx)\n"
    "    subq $0x1000, %rax\n"
    "    jmp 1b\n"
    "2:  subq %rax, %rcx\n"
    "    testq %rcx, (%rcx)\n"
    "    popq %rax\n"
    "    popq %rcx\n"
    "    ret\n");

#elif defined(__aarch64__)

/* A sixteenth of the size is in x15, which stays as it is; x16 and x17 are free. */
__asm__(
    ".text\n"
    ".globl __chkstk\n"
    "__chkstk:\n"
    "    lsl x16, x15, #4\n"
    "    mov x17, sp\n"
    "1:  sub x17, x17, #4096\n"
    "    subs x16, x16, #4096\n"
    "    ldr xzr, [x17]\n"
    "    b.gt 1b\n"
    "    ret\n");

#endif
