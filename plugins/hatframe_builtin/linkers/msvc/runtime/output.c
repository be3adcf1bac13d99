/* The functions of stdio.h with a list of arguments, which the Universal C Runtime has by other names only. */

#include <stdarg.h>
#include <stddef.h>

typedef struct FILE FILE;
typedef unsigned long long Options;

/* From corecrt_stdio_config.h: the end of the buffer is not checked, and a short buffer is as in the C standard. */
enum { LEGACY_NULL_TERMINATION = 1, STANDARD_SNPRINTF = 2 };

FILE *__acrt_iob_func(unsigned index);
int __stdio_common_vfprintf(Options options, FILE *file, const char *format, void *locale, va_list arguments);
int __stdio_common_vsprintf(
    Options options, char *buffer, size_t size, const char *format, void *locale, va_list arguments);

int vfprintf(FILE *file, const char *format, va_list arguments) {
    return __stdio_common_vfprintf(0, file, format, NULL, arguments);
}

int vprintf(const char *format, va_list arguments) { return vfprintf(__acrt_iob_func(1), format, arguments); }

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments) {
    int length = __stdio_common_vsprintf(STANDARD_SNPRINTF, buffer, size, format, NULL, arguments);
    return length < 0 ? -1 : length;
}

int vsprintf(char *buffer, const char *format, va_list arguments) {
    return __stdio_common_vsprintf(LEGACY_NULL_TERMINATION, buffer, (size_t)-1, format, NULL, arguments);
}

#define WITH(call)                  \
    va_list arguments;              \
    va_start(arguments, format);    \
    int length = call;              \
    va_end(arguments);              \
    return length

int fprintf(FILE *file, const char *format, ...) { WITH(vfprintf(file, format, arguments)); }
int printf(const char *format, ...) { WITH(vprintf(format, arguments)); }
int snprintf(char *buffer, size_t size, const char *format, ...) { WITH(vsnprintf(buffer, size, format, arguments)); }
int sprintf(char *buffer, const char *format, ...) { WITH(vsprintf(buffer, format, arguments)); }
