/* The entry of a DLL: it runs what compilers list to be run at the start, and DllMain where the code has one. */

typedef int (*Starter)(void);
typedef void (*Constructor)(void);

/* The linker puts these sections in the order of their names, and what compilers list between the first and last. */
#pragma section(".CRT$XIA", read)
#pragma section(".CRT$XIZ", read)
#pragma section(".CRT$XCA", read)
#pragma section(".CRT$XCZ", read)
__declspec(allocate(".CRT$XIA")) static const Starter first_starter = 0;
__declspec(allocate(".CRT$XIZ")) static const Starter last_starter = 0;
__declspec(allocate(".CRT$XCA")) static const Constructor first_constructor = 0;
__declspec(allocate(".CRT$XCZ")) static const Constructor last_constructor = 0;

int __stdcall DllMain(void *module, unsigned long reason, void *reserved);
int __stdcall hatframe_no_dll_main(void *module, unsigned long reason, void *reserved) { return 1; }
#pragma comment(linker, "/alternatename:DllMain=hatframe_no_dll_main")

int __stdcall _DllMainCRTStartup(void *module, unsigned long reason, void *reserved) {
    if (reason == 1 /* DLL_PROCESS_ATTACH */) {
        /* volatile: to the compiler these are pointers into different objects. */
        const Starter *volatile last_s = &last_starter;
        for (const Starter *volatile s = &first_starter; s < last_s; s++)
            if (*s && (*s)()) return 0;
        const Constructor *volatile last_c = &last_constructor;
        for (const Constructor *volatile c = &first_constructor; c < last_c; c++)
            if (*c) (*c)();
    }
    return DllMain(module, reason, reserved);
}
