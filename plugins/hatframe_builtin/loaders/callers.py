"""C callers for the functions of a package: each checks its arguments as the metadata ask, and calls its function.

Functions of the same parameters share a caller. What all callers share is in ``callers.c``, with the rules: a caller
that has any doubt leaves the call to Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from hatframe.plugin import ArgumentPlan, CallPlan, PassingMode, SizeTree, python_name

RUNTIME = Path(__file__).with_name("callers.c")
"""The C code that all callers share."""

EXPORTS = (
    "hatframe_python_names",
    "hatframe_start",
    "hatframe_type",
    "hatframe_set_dtype",
    "hatframe_use_numpy_struct",
    "hatframe_describe",
    "hatframe_bind",
    "hatframe_set_address",
    "hatframe_prepare",
)

OBJECTS = (
    "None",
    "True",
    "False",
    "int_",
    "float_",
    "ndarray",
    "generic",
    "integer",
    "floating",
    "from_bits",
    "slow_name",
)
"""The Python objects that ``callers.c`` knows, in its order."""

_KINDS = (
    *(("bool", 1),),
    *(("int", size) for size in (1, 2, 4, 8)),
    *(("uint", size) for size in (1, 2, 4, 8)),
    *(("float16", 2), ("bfloat16", 2), ("float", 4), ("float", 8)),
)
ELEMENTS = {kind: position for position, kind in enumerate(_KINDS)}
"""The position of each element type, by its kind and size, in the tables of ``callers.c``."""

MOST_ARGUMENTS = 128
"""That of ``callers.c``; functions with more are called from Python."""

# Of names and operations: far beyond what an array of a real function needs.
_DEEPEST = 50

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)

Lines: TypeAlias = Iterator[str]


class Unsupported(Exception):  # noqa: N818 - a reason rather than an error
    """A function that no caller is made for."""


def source(plans: Iterable[CallPlan]) -> str:
    """The C source of a library with the callers of these functions; those that Python has to call are left out."""
    numbers: dict[str, int] = {}
    entries = []
    for plan in plans:
        try:
            caller = _caller(plan)
        except Unsupported:
            continue
        entries.append((plan.function.name, numbers.setdefault(caller, len(numbers))))
    callers = [caller.replace("@", str(number)) for caller, number in numbers.items()]
    table = [f"    {{{_quoted(name)}, &signature_{number}}}," for name, number in sorted(entries)]
    callers += [
        "static const Entry entries[] = {",
        *table,
        "    {0, 0}",
        "};",
        f"static const int entry_count = {len(entries)};",
    ]
    return RUNTIME.read_text(encoding="utf-8").replace("@CALLERS@", "\n".join(callers))


def _caller(plan: CallPlan) -> str:
    """The caller of a function, with ``@`` in place of its number."""
    arguments = plan.arguments
    if len(arguments) > MOST_ARGUMENTS:
        raise Unsupported("too many arguments")
    if any(argument.passing is PassingMode.ALLOCATED for argument in arguments):
        raise Unsupported("what a function allocates becomes an array in Python")
    return "\n".join(
        (
            "",
            f"/* {_comment(plan)} */",
            *_tables(plan),
            "typedef struct {",
            *(f"    {member};" for argument in arguments for member in _members(argument)),
            *(["    char unused;"] if not arguments else []),
            "} Frame_@;",
            "static int fill_@(PyObject *const *values, void *to, Buffers *buffers) {",
            *(f"    {line}" for line in _fill(plan)),
            "}",
            *_make(plan),
            "static Signature signature_@ = {",
            f"    {len(arguments)}, {len(plan.needed)}, needed_@, names_@, interned_@, fill_@, make_@, sizeof(Frame_@)",
            "};",
        )
    )


def _comment(plan: CallPlan) -> str:
    parameters = ", ".join(
        f"{argument.element.abi_type} {'' if argument.passing is PassingMode.VALUE else '*'}p{argument.position}"
        for argument in plan.arguments
    )
    return f"{plan.returns.abi_type if plan.returns else 'void'} (*)({parameters})"


def _tables(plan: CallPlan) -> Lines:
    """The names of arguments, the positions of those that no call can leave out, and the shapes of arrays."""
    names = []
    for argument in plan.arguments:
        names += [_quoted(argument.name), _quoted(python_name(argument.name))]
    needed = [str(argument.position) for argument in plan.needed]
    yield f"static const char *const names_@[] = {{{', '.join(names) or '0'}}};"
    yield f"static PyObject *interned_@[{max(1, len(names))}];"
    yield f"static const uint16_t needed_@[] = {{{', '.join(needed) or '0'}}};"
    for argument in plan.arguments:
        if argument.layout and argument.layout.shape:
            yield _table(f"shape_@_{argument.position}", argument.layout.shape)
            if _is_strided(argument):
                steps = [step * argument.element.size for step in argument.layout.strides]
                yield _table(f"strides_@_{argument.position}", steps)


def _table(name: str, numbers: Iterable[int]) -> str:
    return f"static const Py_ssize_t {name}[] = {{{', '.join(map(_number, numbers))}}};"


def _members(argument: ArgumentPlan) -> Lines:
    """The members of the frame for an argument: what C receives, and for a pointer to a number also the number."""
    if argument.passing is PassingMode.VALUE:
        yield f"{argument.element.abi_type} p{argument.position}"
    else:
        yield f"void *p{argument.position}"
    if argument.passing is PassingMode.CELL:
        yield f"{argument.element.abi_type} n{argument.position}"


def _fill(plan: CallPlan) -> Lines:
    """The body of the function that checks the arguments and fills the frame with them."""
    dimensions = [plan.arguments[position] for position in _positions_of(plan, plan.dimensions)]
    runtime = [argument for argument in plan.arguments if argument.passing is PassingMode.RUNTIME]
    yield "Frame_@ *const frame = to;"
    for argument in plan.arguments:
        if argument.passing is PassingMode.RUNTIME:
            yield f"Array a{argument.position};"
        elif argument in dimensions:
            yield f"Dimension d{argument.position} = {{0, 0}};"
    yield "(void)frame, (void)values, (void)buffers;"
    # Numbers first: to convert one may run code of Python's.
    for argument in plan.arguments:
        if argument.passing in (PassingMode.VALUE, PassingMode.CELL):
            yield from _scalar(argument, argument in dimensions)
    for argument in plan.arguments:
        if argument.passing is PassingMode.ARRAY:
            yield from _affine_array(argument)
        elif argument.passing is PassingMode.RUNTIME:
            at = argument.position
            yield f"if (!as_row_major({_checked(argument)}, &a{at}, &frame->p{at})) return 0;"
    by_name = {argument.name: argument.position for argument in plan.arguments}
    for argument in runtime:
        yield from _implied(argument, by_name)
    for argument in dimensions:
        used = any(argument.name in other.size.names for other in runtime if other.size)
        if used:
            yield f"if (!d{argument.position}.is_known) return 0;"
        if argument.follows:
            yield from _follows(argument)
    for argument in runtime:
        yield from _size_check(argument, by_name)
    yield "return 1;"


def _positions_of(plan: CallPlan, names: Iterable[str]) -> list[int]:
    by_name = {argument.name: argument.position for argument in plan.arguments}
    return [by_name[name] for name in names]


def _scalar(argument: ArgumentPlan, is_dimension: bool) -> Lines:
    at, c_type = argument.position, argument.element.abi_type
    # More than the greatest of 64 bits turns negative, which no dimension is.
    dimension = f"if (!imply(&d{at}, (int64_t)NUMBER)) return 0;"
    if argument.follows:
        yield f"if (values[{at}]) {{"
    if argument.passing is PassingMode.VALUE:
        yield from _converted(argument, f"frame->p{at}")
        number = f"frame->p{at}"
    else:
        if not argument.written:
            yield f"if (is_number(values[{at}])) {{"
            yield from _converted(argument, f"frame->n{at}")
            yield f"frame->p{at} = &frame->n{at};"
            yield "} else"
        yield f"if (!as_cell({_checked(argument)}, &frame->p{at})) return 0;"
        number = f"*({c_type} *)frame->p{at}"
    if is_dimension and argument.read:
        yield dimension.replace("NUMBER", number)
    if argument.follows:
        yield "}"


def _converted(argument: ArgumentPlan, to: str) -> Lines:
    """Convert the Python number of an argument, checked for its range."""
    value, element = f"values[{argument.position}]", argument.element
    if element.kind == "uint" and element.size == 8:
        yield f"{{ uint64_t n; if (!as_unsigned({value}, &n)) return 0; {to} = n; }}"
    elif element.is_integer:
        low, high = map(_number, element.integer_range)
        yield f"{{ int64_t n; if (!as_integer({value}, {low}, {high}, &n)) return 0; {to} = ({element.abi_type})n; }}"
    elif element.kind == "bool":
        yield f"{{ int n; if (!as_truth({value}, &n)) return 0; {to} = n; }}"
    elif element.kind == "float":
        yield f"{{ double n; if (!as_real({value}, &n)) return 0; {to} = ({element.abi_type})n; }}"
    else:
        yield f"{{ double n; if (!as_real({value}, &n) || !as_{element.kind}(n, &{to})) return 0; }}"


def _checked(argument: ArgumentPlan) -> str:
    """The first arguments of the functions in ``callers.c`` that check an array."""
    element = ELEMENTS[argument.element.kind, argument.element.size]
    return f"values[{argument.position}], {element}, {int(argument.written)}, buffers"


def _affine_array(argument: ArgumentPlan) -> Lines:
    layout, at, item = argument.layout, argument.position, argument.element.size
    assert layout is not None
    shape = f"{_checked(argument)}, {len(layout.shape)}, {f'shape_@_{at}' if layout.shape else '0'}"
    if not _is_strided(argument):
        flags = "0" if not layout.size else "C_CONTIGUOUS" if layout.row_major else "F_CONTIGUOUS"
        yield f"if (!as_dense({shape}, {flags}, &frame->p{at})) return 0;"
        return
    before = (layout.offset + layout.before) * item
    strides = f" || !has_strides(&array, strides_@_{at}, {item})" if layout.shape else ""
    yield "{"
    yield f"    Array array; if (!as_shaped({shape}, &array){strides}) return 0;"
    yield f"    if (!lies_within(values[{at}], array.data - {before}, {layout.bytes(item)})) return 0;"
    yield f"    frame->p{at} = array.data - {layout.offset * item};"
    yield "}"


def _is_strided(argument: ArgumentPlan) -> bool:
    """Whether a layout has gaps, or elements before its pointer: flags of numpy do not say whether an array fits it."""
    layout = argument.layout
    return bool(layout and layout.size and not layout.row_major and not layout.column_major)


def _implied(argument: ArgumentPlan, by_name: dict[str, int]) -> Lines:
    """The dimensions that the shape of a runtime array implies, if it has an axis for each factor of its size."""
    assert argument.size is not None
    at, factors = argument.position, argument.size.factors
    named = [(axis, factor) for axis, factor in enumerate(factors) if isinstance(factor, str)]
    if named:
        same = " || ".join(f"!imply(&d{by_name[factor]}, a{at}.shape[{axis}])" for axis, factor in named)
        yield f"if (a{at}.axes == {len(factors)} && ({same})) return 0;"


def _follows(argument: ArgumentPlan) -> Lines:
    """The value of a dimension that was omitted."""
    at, element = argument.position, argument.element
    yield f"if (!values[{at}]) {{"
    if argument.written:
        yield "return 0; /* an output */"
    else:
        limit = min(element.integer_range[1], (1 << 63) - 1)
        yield f"if (!d{at}.is_known || d{at}.value > {_number(limit)}) return 0;"
        if argument.passing is PassingMode.VALUE:
            yield f"frame->p{at} = ({element.abi_type})d{at}.value;"
        else:
            yield f"frame->n{at} = ({element.abi_type})d{at}.value; frame->p{at} = &frame->n{at};"
    yield "}"


def _size_check(argument: ArgumentPlan, by_name: dict[str, int]) -> Lines:
    """Compare the shape of a runtime array with the value of its size, or with those of its factors."""
    assert argument.size is not None
    at, array = argument.position, f"a{argument.position}"
    lines: list[str] = []
    names = [_computed(tree, by_name, lines, 0) for tree in argument.size.trees]
    yield "{"
    yield from lines
    product = names[0]
    products: list[str] = []
    for name in names[1:]:
        product = _operation("*", product, name, products, len(lines))
    if len(names) > 1:
        same = " || ".join(f"{array}.shape[{axis}] != {name}" for axis, name in enumerate(names))
        yield f"if ({array}.axes == {len(names)}) {{ if ({same}) return 0; }} else"
    yield "{"
    yield from products
    yield f"if ({product} < 0 || count_of(&a{at}) != {product}) return 0;"
    yield "}"
    yield "}"


_OPERATIONS = {"+": "ADD", "-": "SUBTRACT", "*": "MULTIPLY", "/": "DIVIDE", "%": "REMAINDER"}


def _computed(tree: SizeTree, by_name: dict[str, int], lines: list[str], depth: int) -> str:
    """A C expression for the value of a size, and ``lines`` that compute it first."""
    if depth > _DEEPEST:
        raise Unsupported("a size expression is nested too deeply")
    if isinstance(tree, int):
        return _number(tree)
    if isinstance(tree, str):
        return f"d{by_name[tree]}.value"
    sign, left, right = tree
    first = _computed(left, by_name, lines, depth + 1)
    return _operation(sign, first, _computed(right, by_name, lines, depth + 1), lines, 0)


def _operation(sign: str, left: str, right: str, lines: list[str], used: int) -> str:
    name = f"t{used + len(lines)}"
    lines.append(f"int64_t {name}; {_OPERATIONS[sign]}((int64_t){left}, (int64_t){right}, &{name});")
    return name


def _make(plan: CallPlan) -> Lines:
    """The function that makes the call, without Python's lock, and turns its result into a Python number."""
    result = plan.returns.abi_type if plan.returns else "void"
    types = ", ".join(
        argument.element.abi_type if argument.passing is PassingMode.VALUE else "void *" for argument in plan.arguments
    )
    values = ", ".join(f"frame->p{argument.position}" for argument in plan.arguments)
    call = f"(({result} (*)({types or 'void'}))address)({values});"
    yield "static PyObject *make_@(void *address, const void *from) {"
    yield "    const Frame_@ *const frame = from;"
    yield "    void *const thread = py.PyEval_SaveThread();"
    yield f"    {call}" if not plan.returns else f"    const {result} result = {call}"
    yield "    py.PyEval_RestoreThread(thread);"
    yield "    (void)frame;"
    if plan.returns is None:
        yield "    return none();"
    elif plan.returns.kind == "bool":
        yield "    return truth_object(result);"
    elif plan.returns.kind == "float":
        yield "    return py.PyFloat_FromDouble(result);"
    elif plan.returns.is_integer:
        yield f"    return py.PyLong_From{'Unsigned' if plan.returns.kind == 'uint' else ''}LongLong(result);"
    else:
        yield f"    return half_object({ELEMENTS[plan.returns.kind, 2]}, result);"
    yield "}"


def _number(value: int) -> str:
    """An integer constant; the least of 64 bits has no literal of its own."""
    if not -(1 << 63) <= value < 1 << 63:
        raise Unsupported("a number in its metadata exceeds 64 bits")
    if value == -(1 << 63):
        return "INT64_MIN"
    return f"{value}" if abs(value) < 1 << 31 else f"INT64_C({value})"


def _quoted(text: str) -> str:
    """A string literal of C, of any text: all but letters and digits are escaped."""
    if "\0" in text:
        raise Unsupported("a name with a null character")
    if _IDENTIFIER.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(f"\\{byte:03o}" for byte in text.encode("utf-8", "surrogatepass")) + '"'
