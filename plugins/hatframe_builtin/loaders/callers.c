/* Callers of C functions for Python: what all of them share. The callers of a package follow below; callers.py
   generates them.

   A caller checks its arguments and calls its function. Where anything does not fit, or is too unusual for it, it
   passes the same arguments to the function's method in Python, which makes the call or raises the error.

   Nothing but Python's stable ABI is used, and declared here; the addresses of its functions come from the process. */

#include <stddef.h>
#include <stdint.h>

/* What the callers call often. Inlined, it would take long to compile for a thousand of them, and save next to nothing. */
#ifdef _MSC_VER
#define SHARED static __declspec(noinline)
#else
#define SHARED static __attribute__((noinline))
#endif

enum { MOST_ARGUMENTS = 128 };

typedef ptrdiff_t Py_ssize_t;
typedef struct PyObject { Py_ssize_t references; struct PyObject *type; } PyObject;
typedef PyObject *(*vectorcall)(PyObject *, PyObject *const *, size_t, PyObject *);
typedef struct {
    void *data; PyObject *owner; Py_ssize_t bytes, item_size; int read_only, axes; char *format;
    Py_ssize_t *shape, *strides, *indirect; void *internal;
} Py_buffer;
typedef struct { const char *name; PyObject *(*method)(PyObject *, PyObject *); int flags; const char *doc; } PyMethodDef;
typedef struct { const char *name; int type; Py_ssize_t offset; int flags; const char *doc; } PyMemberDef;
typedef struct { int slot; void *value; } PyType_Slot;
typedef struct { const char *name; int size, item_size; unsigned flags; PyType_Slot *slots; } PyType_Spec;

enum { PyBUF_WRITABLE = 0x1, PyBUF_FORMAT = 0x4, PyBUF_STRIDES = 0x18, METH_NOARGS = 0x4, Py_tp_call = 50,
       Py_tp_members = 72, T_PYSSIZET = 19, READONLY = 1 };
enum { BASE_TYPE = 1 << 10, HAVE_VECTORCALL = 1 << 11, HAVE_VERSION_TAG = 1 << 18 };

#define PYTHON(X) \
    X(int, PyObject_GetBuffer, (PyObject *, Py_buffer *, int)) \
    X(void, PyBuffer_Release, (Py_buffer *)) \
    X(PyObject *, PyObject_GetAttr, (PyObject *, PyObject *)) \
    X(PyObject *, PyObject_Call, (PyObject *, PyObject *, PyObject *)) \
    X(PyObject *, PyCFunction_NewEx, (PyMethodDef *, PyObject *, PyObject *)) \
    X(PyObject *, PyType_FromSpecWithBases, (PyType_Spec *, PyObject *)) \
    X(int, PyType_IsSubtype, (PyObject *, PyObject *)) \
    X(PyObject *, PyVectorcall_Call, (PyObject *, PyObject *, PyObject *)) \
    X(void, PyErr_Clear, (void)) \
    X(PyObject *, PyErr_Occurred, (void)) \
    X(void *, PyEval_SaveThread, (void)) \
    X(void, PyEval_RestoreThread, (void *)) \
    X(PyObject *, PyNumber_Index, (PyObject *)) \
    X(long long, PyLong_AsLongLongAndOverflow, (PyObject *, int *)) \
    X(unsigned long long, PyLong_AsUnsignedLongLong, (PyObject *)) \
    X(PyObject *, PyLong_FromLongLong, (long long)) \
    X(PyObject *, PyLong_FromUnsignedLongLong, (unsigned long long)) \
    X(double, PyFloat_AsDouble, (PyObject *)) \
    X(PyObject *, PyFloat_FromDouble, (double)) \
    X(PyObject *, PyTuple_New, (Py_ssize_t)) \
    X(Py_ssize_t, PyTuple_Size, (PyObject *)) \
    X(PyObject *, PyTuple_GetItem, (PyObject *, Py_ssize_t)) \
    X(int, PyTuple_SetItem, (PyObject *, Py_ssize_t, PyObject *)) \
    X(PyObject *, PyDict_New, (void)) \
    X(int, PyDict_SetItem, (PyObject *, PyObject *, PyObject *)) \
    X(PyObject *, PyBytes_FromStringAndSize, (const char *, Py_ssize_t)) \
    X(char *, PyBytes_AsString, (PyObject *)) \
    X(PyObject *, PyUnicode_InternFromString, (const char *)) \
    X(int, PyUnicode_Compare, (PyObject *, PyObject *)) \
    X(void, Py_IncRef, (PyObject *)) \
    X(void, Py_DecRef, (PyObject *))

#define POINTER(result, name, parameters) result (*name) parameters;
static struct { PYTHON(POINTER) } py;

#define OBJECTS(X) X(None) X(True) X(False) X(int_) X(float_) X(ndarray) X(generic) X(integer) X(floating) \
    X(from_bits) X(slow_name)
#define OBJECT(name) PyObject *name;
static struct { OBJECTS(OBJECT) } known;

/* The types of elements, and of each its size, what PEP 3118 calls it, and numpy's dtype. */
enum { BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FLOAT16, BFLOAT16, FLOAT32, FLOAT64, ELEMENTS };
static const uint8_t item_sizes[ELEMENTS] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
static const char formats[ELEMENTS][7] = {
    "?", "bhilqn", "bhilqn", "bhilqn", "bhilqn", "BHILQN", "BHILQN", "BHILQN", "BHILQN", "e", "", "f", "d"};
static PyObject *dtypes[ELEMENTS];

static inline PyObject *none(void) {
    py.Py_IncRef(known.None);
    return known.None;
}

static inline PyObject *truth_object(int value) {
    PyObject *object = value ? known.True : known.False;
    py.Py_IncRef(object);
    return object;
}

/* Arrays */

enum { C_CONTIGUOUS = 0x1, F_CONTIGUOUS = 0x2, ALIGNED = 0x100, WRITEABLE = 0x400 };

typedef struct { char *data; const Py_ssize_t *shape, *strides; int axes, flags; } Array;

/* PyArrayObject_fields of numpy's C API, the same in numpy 1 and 2. It is used if a test at the start finds it right;
   the buffer protocol takes numpy longer, as it writes a format each time, and does not serve bfloat16. */
typedef struct {
    PyObject head; char *data; int axes; Py_ssize_t *shape, *strides; PyObject *base, *dtype; int flags;
} NumpyArray;
static int uses_numpy_struct;

/* Buffers that are held during a call, of objects that are not numpy arrays. A prepared call holds none. */
typedef struct { Py_buffer *all; int count, most; } Buffers;

static void release(Buffers *buffers) {
    while (buffers->count) py.PyBuffer_Release(&buffers->all[--buffers->count]);
}

static int contiguous_flags(const Py_buffer *buffer) {
    Py_ssize_t rows = buffer->item_size, columns = buffer->item_size, axis;
    int flags = C_CONTIGUOUS | F_CONTIGUOUS;
    if (!buffer->bytes) return flags;
    for (axis = 0; axis < buffer->axes; axis++) {
        if (buffer->shape[axis] != 1 && buffer->strides[axis] != columns) flags &= ~F_CONTIGUOUS;
        columns *= buffer->shape[axis];
    }
    for (axis = buffer->axes; axis--;) {
        if (buffer->shape[axis] != 1 && buffer->strides[axis] != rows) flags &= ~C_CONTIGUOUS;
        rows *= buffer->shape[axis];
    }
    return flags;
}

static int has_element(const Py_buffer *buffer, int element) {
    const char *format = buffer->format ? buffer->format : "B", *known_format = formats[element];
    if (*format == '@') format++;
    if (!format[0] || format[1] || buffer->item_size != item_sizes[element]) return 0;
    while (*known_format && *known_format != *format) known_format++;
    return *known_format != 0;
}

static int is_aligned(const Py_buffer *buffer) {
    uintptr_t bits = (uintptr_t)buffer->data;
    int axis;
    for (axis = 0; axis < buffer->axes; axis++) bits |= (uintptr_t)buffer->strides[axis];
    return bits % (uintptr_t)buffer->item_size == 0;
}

static int array_of_buffer(PyObject *value, int element, int written, Buffers *buffers, Array *array) {
    Py_buffer *buffer = &buffers->all[buffers->count];
    if (buffers->count == buffers->most || py.PyType_IsSubtype(value->type, known.generic)) return 0;
    if (py.PyObject_GetBuffer(value, buffer, PyBUF_FORMAT | PyBUF_STRIDES | (written ? PyBUF_WRITABLE : 0))) {
        py.PyErr_Clear();
        return 0;
    }
    buffers->count++;
    if (!has_element(buffer, element) || !is_aligned(buffer) || buffer->indirect) return 0;
    if (buffer->axes && (!buffer->shape || !buffer->strides)) return 0;
    array->data = buffer->data;
    array->axes = buffer->axes;
    array->shape = buffer->shape;
    array->strides = buffer->strides;
    array->flags = contiguous_flags(buffer);
    return 1;
}

/* Describe an array of this element type that is aligned, and may be written to if the function does. */
SHARED int as_array(PyObject *value, int element, int written, Buffers *buffers, Array *array) {
    const NumpyArray *numpy = (const NumpyArray *)value;
    const int needed = ALIGNED | (written ? WRITEABLE : 0);
    if (value->type != known.ndarray || !uses_numpy_struct)
        return array_of_buffer(value, element, written, buffers, array);
    if (numpy->dtype != dtypes[element] || (numpy->flags & needed) != needed) return 0;
    array->data = numpy->data;
    array->axes = numpy->axes;
    array->shape = numpy->shape;
    array->strides = numpy->strides;
    array->flags = numpy->flags;
    return 1;
}

SHARED Py_ssize_t count_of(const Array *array) {
    Py_ssize_t count = 1;
    int axis;
    for (axis = 0; axis < array->axes; axis++) count *= array->shape[axis];
    return count;
}

/* The pointer for an array of one element, whatever its shape. */
SHARED int as_cell(PyObject *value, int element, int written, Buffers *buffers, void **pointer) {
    Array array;
    if (!as_array(value, element, written, buffers, &array) || count_of(&array) != 1) return 0;
    *pointer = array.data;
    return 1;
}

/* The pointer for an array of any shape, without gaps, the last axis fastest. */
SHARED int as_row_major(PyObject *value, int element, int written, Buffers *buffers, Array *array, void **pointer) {
    if (!as_array(value, element, written, buffers, array) || !(array->flags & C_CONTIGUOUS)) return 0;
    *pointer = array->data;
    return 1;
}

/* Describe an array of this shape. One without axes may also have one of one element. */
SHARED int as_shaped(
    PyObject *value, int element, int written, Buffers *buffers, int axes, const Py_ssize_t *shape, Array *array) {
    int axis;
    if (!as_array(value, element, written, buffers, array)) return 0;
    if (array->axes != axes) return axes == 0 && array->axes == 1 && array->shape[0] == 1;
    for (axis = 0; axis < axes; axis++)
        if (array->shape[axis] != shape[axis]) return 0;
    return 1;
}

/* The pointer for an array of this shape with these flags, of which there are usually C_CONTIGUOUS or F_CONTIGUOUS. */
SHARED int as_dense(
    PyObject *value, int element, int written, Buffers *buffers, int axes, const Py_ssize_t *shape, int flags,
    void **pointer) {
    Array array;
    if (!as_shaped(value, element, written, buffers, axes, shape, &array)) return 0;
    if ((array.flags & flags) != flags) return 0;
    *pointer = array.data;
    return 1;
}

/* Whether the strides are these, in bytes, but for axes of one element, where any multiple of the element will do. */
SHARED int has_strides(const Array *array, const Py_ssize_t *strides, Py_ssize_t item_size) {
    int axis;
    for (axis = 0; axis < array->axes; axis++) {
        if (array->shape[axis] == 1 ? array->strides[axis] % item_size : array->strides[axis] != strides[axis]) return 0;
    }
    return 1;
}

/* Whether `bytes` from `begin` on lie in the memory of the numpy array that `value` is a view of. */
SHARED int lies_within(PyObject *value, const char *begin, Py_ssize_t bytes) {
    const NumpyArray *array;
    uintptr_t low, high;
    int axis, element = 0;
    while (uses_numpy_struct && value->type == known.ndarray && ((const NumpyArray *)value)->base)
        value = ((const NumpyArray *)value)->base;
    if (!uses_numpy_struct || value->type != known.ndarray) return 0;
    array = (const NumpyArray *)value;
    while (element < ELEMENTS && array->dtype != dtypes[element]) element++;
    if (element == ELEMENTS) return 0;
    low = high = (uintptr_t)array->data;
    for (axis = 0; axis < array->axes; axis++) {
        const Py_ssize_t reach = (array->shape[axis] - 1) * array->strides[axis];
        if (!array->shape[axis]) return 0;
        if (reach < 0) low += (uintptr_t)reach;
        else high += (uintptr_t)reach;
    }
    return low <= (uintptr_t)begin && (uintptr_t)begin + (uintptr_t)bytes <= high + item_sizes[element];
}

/* Numbers */

SHARED int is_number(PyObject *value) {
    PyObject *type = value->type;
    return type == known.int_ || type == known.float_ || value == known.True || value == known.False
        || py.PyType_IsSubtype(type, known.generic);
}

SHARED int as_integer(PyObject *value, int64_t low, int64_t high, int64_t *number) {
    int overflow;
    PyObject *index = 0;
    if (value->type != known.int_) {
        if (!py.PyType_IsSubtype(value->type, known.integer) || !(index = py.PyNumber_Index(value))) return 0;
        value = index;
    }
    *number = py.PyLong_AsLongLongAndOverflow(value, &overflow);
    if (index) py.Py_DecRef(index);
    return !overflow && low <= *number && *number <= high;
}

SHARED int as_unsigned(PyObject *value, uint64_t *number) {
    PyObject *index = 0;
    if (value->type != known.int_) {
        if (!py.PyType_IsSubtype(value->type, known.integer) || !(index = py.PyNumber_Index(value))) return 0;
        value = index;
    }
    *number = py.PyLong_AsUnsignedLongLong(value);
    if (index) py.Py_DecRef(index);
    if (*number == UINT64_MAX && py.PyErr_Occurred()) {
        py.PyErr_Clear();
        return 0;
    }
    return 1;
}

SHARED int as_real(PyObject *value, double *number) {
    PyObject *type = value->type;
    if (type != known.float_ && type != known.int_ && !py.PyType_IsSubtype(type, known.floating)
        && !py.PyType_IsSubtype(type, known.integer)) return 0;
    *number = py.PyFloat_AsDouble(value);
    if (*number == -1 && py.PyErr_Occurred()) {
        py.PyErr_Clear();
        return 0;
    }
    return 1;
}

static inline int as_truth(PyObject *value, int *number) {
    *number = value == known.True;
    return *number || value == known.False;
}

/* The bits of half-precision numbers, rounded to even; those that are not normal are left to numpy. */
SHARED int as_half(double number, int exponent_bits, int fraction_bits, uint16_t *half) {
    union { double number; uint64_t bits; } both;
    int64_t exponent, bias = (1 << (exponent_bits - 1)) - 1;
    uint64_t fraction, dropped, middle = (uint64_t)1 << (51 - fraction_bits);
    both.number = number;
    *half = (uint16_t)(both.bits >> 63 << 15);
    if (number == 0) return 1;
    exponent = (int64_t)(both.bits >> 52 & 0x7ff) - 1023 + bias;
    if (exponent < 1 || exponent > 2 * bias - 1) return 0;
    fraction = both.bits & (((uint64_t)1 << 52) - 1);
    dropped = fraction & (2 * middle - 1);
    *half = (uint16_t)(*half | exponent << fraction_bits | fraction >> (52 - fraction_bits));
    if (dropped > middle || (dropped == middle && (*half & 1))) ++*half;
    return 1;
}

static int as_float16(double number, uint16_t *half) { return as_half(number, 5, 10, half); }
/* Over a float, as ml_dtypes does it. */
static int as_bfloat16(double number, uint16_t *half) { return as_half((double)(float)number, 8, 7, half); }

SHARED PyObject *half_object(int element, uint16_t bits) {
    PyObject *arguments = py.PyTuple_New(2), *result;
    if (!arguments) return 0;
    py.Py_IncRef(dtypes[element]);
    py.PyTuple_SetItem(arguments, 0, dtypes[element]);
    py.PyTuple_SetItem(arguments, 1, py.PyLong_FromLongLong(bits));
    result = py.PyObject_Call(known.from_bits, arguments, 0);
    py.Py_DecRef(arguments);
    return result;
}

/* Sizes: integers as Python has them, as long as they fit in 64 bits. */

#ifdef __GNUC__
#define ADD(a, b, c) if (__builtin_add_overflow(a, b, c)) return 0
#define SUBTRACT(a, b, c) if (__builtin_sub_overflow(a, b, c)) return 0
#define MULTIPLY(a, b, c) if (__builtin_mul_overflow(a, b, c)) return 0
#else
static int sum_fits(int64_t a, int64_t b) { return b < 0 ? a >= INT64_MIN - b : a <= INT64_MAX - b; }
static int difference_fits(int64_t a, int64_t b) { return b < 0 ? a <= INT64_MAX + b : a >= INT64_MIN + b; }
static int product_fits(int64_t a, int64_t b) {
    if (!a || !b) return 1;
    if (a == INT64_MIN || b == INT64_MIN) return a == 1 || b == 1;
    return (a < 0 ? -a : a) <= INT64_MAX / (b < 0 ? -b : b);
}
#define ADD(a, b, c) if (!sum_fits(a, b)) return 0; *(c) = (a) + (b)
#define SUBTRACT(a, b, c) if (!difference_fits(a, b)) return 0; *(c) = (a) - (b)
#define MULTIPLY(a, b, c) if (!product_fits(a, b)) return 0; *(c) = (a) * (b)
#endif
#define DIVIDE(a, b, c) if (!(b) || (b) == -1) return 0; *(c) = (a) / (b)
#define REMAINDER(a, b, c) if (!(b) || (b) == -1) return 0; *(c) = (a) % (b)

/* A dimension that an argument gives or the shapes of arrays imply; all must agree. */
typedef struct { int64_t value; int is_known; } Dimension;

static inline int imply(Dimension *dimension, int64_t value) {
    if (dimension->is_known) return dimension->value == value;
    dimension->value = value;
    dimension->is_known = 1;
    return value >= 0;
}

/* Calls */

typedef struct {
    int count, needed;
    const uint16_t *needed_positions;  /* of the arguments that no call can leave out */
    const char *const *names;          /* two for each argument, the second with an underscore after a keyword */
    PyObject **interned;
    int (*fill)(PyObject *const *, void *, Buffers *);  /* checks Python's arguments, and fills the frame of C's */
    PyObject *(*make)(void *, const void *);            /* calls the function at an address with the frame */
    size_t frame_size;
} Signature;

/* What an object of a function has at its end. Without an address, every call takes the way of Python. */
typedef struct { vectorcall call; void *address; const Signature *signature; } Function;
static size_t function_offset;

static inline Function *function_of(PyObject *self) { return (Function *)((char *)self + function_offset); }

/* Put arguments at their positions, NULL for those that follow from others. */
SHARED int put(
    const Signature *signature, PyObject *const *given, size_t count, PyObject *keywords, PyObject **values) {
    const size_t named = keywords ? (size_t)py.PyTuple_Size(keywords) : 0, all = (size_t)signature->count;
    size_t position, index, tried;
    for (position = 0; position < all; position++) values[position] = 0;
    if (count > all || (count != all && count > (size_t)signature->needed)) return 0;
    for (position = 0; position < count; position++)
        values[count == all ? position : signature->needed_positions[position]] = given[position];
    for (index = 0; index < named; index++) {
        PyObject *name = py.PyTuple_GetItem(keywords, (Py_ssize_t)index);
        /* Most calls name the arguments in order, with the very strings that Python interned. */
        for (tried = 0, position = count + index; tried < all; tried++, position++) {
            if (position >= all) position = 0;
            if (signature->interned[2 * position] == name || signature->interned[2 * position + 1] == name) break;
        }
        for (position = tried < all ? position : 0; tried == all && position < all; position++) {
            if (!py.PyUnicode_Compare(signature->interned[2 * position], name)) break;
            if (!py.PyUnicode_Compare(signature->interned[2 * position + 1], name)) break;
        }
        if (position == all || values[position]) return 0;
        values[position] = given[count + index];
    }
    for (position = 0; position < (size_t)signature->needed; position++)
        if (!values[signature->needed_positions[position]]) return 0;
    return 1;
}

static inline size_t count_given(size_t count) { return count & ~((size_t)1 << (8 * sizeof(size_t) - 1)); }

SHARED PyObject *call_slowly(
    PyObject *self, PyObject *const *given, size_t count, PyObject *keywords) {
    PyObject *method = py.PyObject_GetAttr(self, known.slow_name), *arguments, *named = 0, *result = 0;
    const Py_ssize_t names = keywords ? py.PyTuple_Size(keywords) : 0;
    Py_ssize_t index;
    if (!method) return 0;
    count = count_given(count);
    arguments = py.PyTuple_New((Py_ssize_t)count);
    for (index = 0; arguments && index < (Py_ssize_t)count; index++) {
        py.Py_IncRef(given[index]);
        py.PyTuple_SetItem(arguments, index, given[index]);
    }
    if (names && arguments && (named = py.PyDict_New())) {
        for (index = 0; index < names; index++)
            py.PyDict_SetItem(named, py.PyTuple_GetItem(keywords, index), given[(Py_ssize_t)count + index]);
    }
    if (arguments && (named || !names)) result = py.PyObject_Call(method, arguments, named);
    if (named) py.Py_DecRef(named);
    if (arguments) py.Py_DecRef(arguments);
    py.Py_DecRef(method);
    return result;
}

typedef union { void *pointer; int64_t integer; double number; } Slot;

static PyObject *call(PyObject *self, PyObject *const *given, size_t count, PyObject *keywords) {
    void *const address = function_of(self)->address;
    const Signature *const signature = function_of(self)->signature;
    PyObject *values[MOST_ARGUMENTS], *const *placed = given, *result = 0;
    Slot frame[2 * MOST_ARGUMENTS];
    Py_buffer held[MOST_ARGUMENTS];
    Buffers buffers = {held, 0, MOST_ARGUMENTS};
    int fits = address != 0;
    if (fits && (keywords || count_given(count) != (size_t)signature->count)) {
        fits = put(signature, given, count_given(count), keywords, values);
        placed = values;
    }
    fits = fits && signature->fill(placed, frame, &buffers);
    if (fits) result = signature->make(address, frame);
    if (buffers.count) release(&buffers);
    return fits ? result : call_slowly(self, given, count, keywords);
}

/* What a prepared call holds, in a bytes object: the rest is the frame. */
typedef struct { void *address; const Signature *signature; Slot frame[1]; } Prepared;

static PyObject *call_prepared(PyObject *self, PyObject *unused) {
    const Prepared *prepared = (const Prepared *)py.PyBytes_AsString(py.PyTuple_GetItem(self, 0));
    (void)unused;
    return prepared->signature->make(prepared->address, prepared->frame);
}

typedef struct { const char *name; Signature *signature; } Entry;

@CALLERS@

/* What Python calls to set all this up */

#define NAME(result, name, parameters) #name,
const char *const *hatframe_python_names(void) {
    static const char *const names[] = {PYTHON(NAME) 0};
    return names;
}

/* `functions` are the addresses of hatframe_python_names(), and `objects` those of OBJECTS. */
void hatframe_start(void *const *functions, PyObject *const *objects) {
    size_t index;
    for (index = 0; index < sizeof py / sizeof(void *); index++) ((void **)&py)[index] = functions[index];
    for (index = 0; index < sizeof known / sizeof(void *); index++) ((PyObject **)&known)[index] = objects[index];
}

/* The type of functions that have a caller, with these bases, whose objects have `size` bytes. */
PyObject *hatframe_type(PyObject *bases, Py_ssize_t size) {
    PyMemberDef members[] = {{"__vectorcalloffset__", T_PYSSIZET, size + (Py_ssize_t)offsetof(Function, call), READONLY, 0}, {0}};
    PyType_Slot slots[] = {{Py_tp_call, (void *)py.PyVectorcall_Call}, {Py_tp_members, members}, {0}};
    PyType_Spec spec = {"hatframe.CompiledFunction", (int)(size + (Py_ssize_t)sizeof(Function)), 0,
                        BASE_TYPE | HAVE_VECTORCALL | HAVE_VERSION_TAG, slots};
    function_offset = (size_t)size;
    return py.PyType_FromSpecWithBases(&spec, bases);
}

void hatframe_set_dtype(int element, PyObject *dtype) { dtypes[element] = dtype; }

void hatframe_use_numpy_struct(int use) { uses_numpy_struct = use; }

/* What the struct of a numpy array says, for the test of its layout: seven numbers, then the shape and the strides. */
void hatframe_describe(PyObject *value, int64_t *facts) {
    const NumpyArray *array = (const NumpyArray *)value;
    int axis;
    facts[0] = (int64_t)(intptr_t)value->type;
    facts[1] = (int64_t)(intptr_t)array->data;
    facts[2] = array->axes;
    facts[3] = array->flags & (C_CONTIGUOUS | F_CONTIGUOUS | ALIGNED | WRITEABLE);
    facts[4] = (int64_t)(intptr_t)array->base;
    facts[5] = (int64_t)(intptr_t)array->dtype;
    for (axis = 0; axis < array->axes && axis < 8; axis++) {
        facts[6 + axis] = array->shape[axis];
        facts[14 + axis] = array->strides[axis];
    }
}

static int is_before(const char *first, const char *second) {
    while (*first && *first == *second) first++, second++;
    return (unsigned char)*first < (unsigned char)*second;
}

/* Give the function object its caller; 0 if there is none of that name. */
int hatframe_bind(PyObject *self, const char *name) {
    int low = 0, high = entry_count, middle, index;
    Signature *signature;
    while (low < high) {
        middle = low + (high - low) / 2;
        if (is_before(entries[middle].name, name)) low = middle + 1;
        else high = middle;
    }
    if (low == entry_count || is_before(name, entries[low].name)) return 0;
    signature = entries[low].signature;
    for (index = 0; index < 2 * signature->count; index++)
        if (!signature->interned[index])
            signature->interned[index] = py.PyUnicode_InternFromString(signature->names[index]);
    function_of(self)->signature = signature;
    function_of(self)->call = call;
    return 1;
}

void hatframe_set_address(PyObject *self, void *address) { function_of(self)->address = address; }

/* A prepared call of the function at `address`, or None if it takes the way of Python. `given` are the positional
   arguments and then those of `keywords`, a tuple of names. The call keeps `kept` alive, and what it needs of `given`. */
PyObject *hatframe_prepare(PyObject *self, void *address, PyObject *given, PyObject *keywords, PyObject *kept) {
    const Signature *const signature = function_of(self)->signature;
    const Py_ssize_t count = py.PyTuple_Size(given), named = py.PyTuple_Size(keywords);
    static PyMethodDef method = {"prepared_call", call_prepared, METH_NOARGS, 0};
    PyObject *items[MOST_ARGUMENTS], *values[MOST_ARGUMENTS], *state, *owner, *result = 0;
    Buffers none_held = {0, 0, 0};
    Prepared *prepared;
    Py_ssize_t index;
    if (count > signature->count) return none();
    for (index = 0; index < count; index++) items[index] = py.PyTuple_GetItem(given, index);
    if (!put(signature, items, (size_t)(count - named), named ? keywords : 0, values)) return none();
    state = py.PyBytes_FromStringAndSize(0, (Py_ssize_t)(offsetof(Prepared, frame) + signature->frame_size));
    if (!state) return 0;
    prepared = (Prepared *)py.PyBytes_AsString(state);
    prepared->address = address;
    prepared->signature = signature;
    if (!signature->fill(values, prepared->frame, &none_held)) {
        py.Py_DecRef(state);
        return none();
    }
    if ((owner = py.PyTuple_New(3))) {
        py.Py_IncRef(given);
        py.Py_IncRef(kept);
        py.PyTuple_SetItem(owner, 0, state);
        py.PyTuple_SetItem(owner, 1, given);
        py.PyTuple_SetItem(owner, 2, kept);
        result = py.PyCFunction_NewEx(&method, owner, 0);
        py.Py_DecRef(owner);
    }
    return result;
}
