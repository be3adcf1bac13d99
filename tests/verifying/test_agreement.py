"""Outputs against references, against another function, and against those of a group."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from command_line import hatframe
from facts import assert_names
from sample_packages import affine, element, function, make_package, runtime

import hatframe as product
from hatframe.errors import HatError
from hatframe.outcomes import Verification

SOURCE = """
#define PRODUCT(name, index) \\
    void name(const float *a, const float *b, float *c) { \\
        for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) \\
            for (int k = 0; k < 8; k++) c[8 * i + j] += a[8 * i + k] * b[index]; }
PRODUCT(product, 8 * k + j)
PRODUCT(product_same, 8 * k + j)
PRODUCT(product_transposed, 8 * j + k)
double sum(int n, const double *x) { double s = 0; for (int i = 0; i < n; i++) s += x[i]; return s; }
double sum_pairs(int n, const double *x) {
    double s = 0;
    for (int i = 0; i + 1 < n; i += 2) s += x[i] + x[i + 1];
    return s;
}
double rectify(int n, const double *x) { double s = 0; for (int i = 0; i < n; i++) s += x[i] < 0 ? 0 : x[i]; return s; }
"""


def of_product(**auxiliary: Any) -> dict[str, Any]:
    arrays = affine("a", [8, 8]), affine("b", [8, 8]), affine("c", [8, 8], usage="input_output")
    return function(*arrays, auxiliary=auxiliary)


def of_sum(**auxiliary: Any) -> dict[str, Any]:
    returns = element("", "double", "output", "double")
    return function(element("n"), runtime("x", "n", "double"), returns=returns, auxiliary=auxiliary)


PRODUCTS = ("product", "product_same", "product_transposed")


def package(folder: Path, **functions: Any) -> Path:
    return make_package(folder, SOURCE, functions, name="agreement")


def verified(hat: Path, **options: Any) -> Verification:
    return product.verify(hat, only=options.pop("only", "agreement"), **options)


def test_a_function_that_differs_from_most_of_its_group_is_found(tmp_path: Path) -> None:
    found = verified(package(tmp_path, **{name: of_product() for name in PRODUCTS}))
    (finding,) = found.findings
    assert (finding.function, finding.check, finding.argument) == ("product_transposed", "agreement", "c")
    assert finding.index == (0, 0)
    assert_names(finding.message, "2 others")
    assert found.compared == dict.fromkeys(PRODUCTS, "2 others")
    repeated = hatframe(*shlex.split(finding.reproduce)[1:], status=1)
    assert_names(repeated.stdout, finding.message)


def test_without_a_majority_nothing_is_found_and_a_note_says_so(tmp_path: Path) -> None:
    hat = package(tmp_path, product=of_product(), product_transposed=of_product())
    found = verified(hat)
    assert found.ok
    assert_names(found.notes[0].message, "2 functions", "no majority")


def test_a_reference_in_the_metadata_finds_a_single_function(tmp_path: Path) -> None:
    reference = "c = c + a @ b"
    hat = package(tmp_path, product=of_product(reference=reference), product_transposed=of_product(reference=reference))
    found = verified(hat)
    assert [(finding.function, finding.argument) for finding in found.findings] == [("product_transposed", "c")]
    assert found.compared == dict.fromkeys(("product", "product_transposed"), "its reference")


def test_an_invalid_reference_is_a_note(tmp_path: Path) -> None:
    found = verified(package(tmp_path, product=of_product(reference="c = a @ nothing")))
    assert found.ok
    assert_names(found.notes[0].message, "reference", "nothing")


def test_a_reference_of_the_user_is_a_function_over_numpy_arrays(tmp_path: Path) -> None:
    (tmp_path / "reference.py").write_text("def gemm(a, b, c):\n    return c + a @ b\n")
    hat = package(tmp_path, product=of_product(), product_transposed=of_product())
    found = verified(hat, reference=f"{tmp_path}/reference.py:gemm")
    assert [finding.function for finding in found.findings] == ["product_transposed"]
    with pytest.raises(product.HatError) as caught:
        verified(hat, reference=f"{tmp_path}/nothing.py:gemm")
    assert_names(str(caught.value), "nothing.py")


@pytest.mark.parametrize("named", ["metadata", "option"])
def test_a_function_is_compared_with_the_one_that_is_named(tmp_path: Path, named: str) -> None:
    more = {"same_as": "product"} if named == "metadata" else {}
    hat = package(tmp_path, product=of_product(), product_transposed=of_product(**more))
    found = verified(hat, functions="product_transposed", same=() if more else "product")
    (finding,) = found.findings
    assert (finding.function, finding.check) == ("product_transposed", "agreement")
    assert_names(finding.message, "product")
    assert found.functions == ("product_transposed",)


def test_a_function_that_is_wrong_at_some_sizes_or_signs_only_is_found(tmp_path: Path) -> None:
    hat = package(tmp_path, sum_pairs=of_sum(reference="return = sum(x)"), rectify=of_sum(reference="return = sum(x)"))
    found = verified(hat, only=("agreement", "shapes"))
    by_function = {finding.function: finding for finding in found.findings}
    assert by_function["sum_pairs"].sizes == {"n": 1}
    assert by_function["rectify"].argument == "return"


def test_tolerances_can_be_given(tmp_path: Path) -> None:
    hat = package(tmp_path, **{name: of_product() for name in PRODUCTS})
    assert verified(hat, atol=100.0).ok


def test_a_reference_that_computes_nothing_is_an_error_if_it_was_asked_for(tmp_path: Path) -> None:
    hat = package(tmp_path, product=of_product())
    (tmp_path / "broken.py").write_text("def broken(a, b, c):\n    raise RuntimeError('no data')\n")
    with pytest.raises(HatError) as caught:
        verified(hat, reference=f"{tmp_path / 'broken.py'}:broken")
    assert_names(caught.value, "broken.py:broken", "no data")


RECTIFY = """
#define N 64
void rectify(const float *x, float *y) { for (int i = 0; i < N; i++) y[i] = x[i] > 0 ? x[i] : 0; }
void rectify_again(const float *x, float *y) { for (int i = 0; i < N; i++) y[i] = 0 < x[i] ? x[i] : 0; }
void rectify_not(const float *x, float *y) { for (int i = 0; i < N; i++) y[i] = x[i] <= 0 ? 0 : x[i]; }
void rectify_hangs(const float *x, float *y) {
    for (volatile int i = 0; i < N; i++) { while (x[i] != x[i]) i = i; y[i] = x[i] > 0 ? x[i] : 0; }
}
"""


def test_what_functions_do_with_special_inputs_is_a_note(tmp_path: Path) -> None:
    described = function(affine("x", [64]), affine("y", [64], usage="output"))
    names = ("rectify", "rectify_again", "rectify_not", "rectify_hangs")
    hat = make_package(tmp_path, RECTIFY, dict.fromkeys(names, described))
    found = product.verify(hat, only=["agreement", "values"], timeout=1)
    assert found.ok
    notes = {note.function: note.message for note in found.notes}
    assert notes.keys() == {"rectify_not", "rectify_hangs"}
    assert_names(notes["rectify_not"], "y[14]", "NaN", "finite", "rectify")
    assert not product.verify(hat, only="agreement").notes
