"""Whether other files can call a function."""

from __future__ import annotations

import pytest

from hatframe.c.linkage import Linkage, check_linkage
from hatframe.c.syntax import UnsupportedDeclaration, parse


def linkage(code: str) -> Linkage:
    return Linkage.of_functions(parse(code.encode()).root_node.children, {"f"})["f"]


@pytest.mark.parametrize(
    ("code", "is_external"),
    [
        ("void f(void) {}", True),
        ("extern void f(void); void f(void) {}", True),
        ("static void f(void) {}", False),
        ("static void f(void); void f(void) {}", False),
        ("inline void f(void) {}", False),
        ("inline void f(void) {} extern void f(void);", True),
        ("extern inline void f(void) {}", True),
        ("extern inline __attribute__((gnu_inline)) void f(void) {}", False),
        ("inline __attribute__((gnu_inline)) void f(void) {}", True),
    ],
)
def test_all_declarations_decide_together(code: str, is_external: bool) -> None:
    assert linkage(code).is_external is is_external


def test_a_plain_function_is_fine() -> None:
    check_linkage(linkage("__attribute__((noinline)) void f(void) {}"))


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("__attribute__((ms_abi)) void f(void) {}", "ms_abi"),
        ("void f(void) __attribute__((__vectorcall__)); void f(void) {}", "vectorcall"),
        ('__attribute__((visibility("hidden"))) void f(void) {}', "hidden"),
        ('void f(void) __asm__("g"); void f(void) {}', "g"),
    ],
)
def test_a_function_that_a_caller_cannot_reach_is_unsupported(code: str, named: str) -> None:
    with pytest.raises(UnsupportedDeclaration) as caught:
        check_linkage(linkage(code))
    assert named in caught.value.reason
