"""`check` seen as a student sees it: many wrong answers, each with the words that it must get, and many right ones."""

import importlib
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.remote import Remote
from cnnlib import autograd, check, ops, plot
from cnnlib.check import CheckFailed, differences, notebook, values

rng = np.random.default_rng(0)


def layer(x, w, stride, pad, says=""):
    return check.case(rng.normal(size=x), rng.normal(size=w), rng.normal(size=w[0]), stride, pad, says=says)


CASES = [
    layer((2, 3, 5, 7), (4, 3, 3, 2), 1, 1),
    layer((1, 2, 7, 5), (3, 2, 3, 3), 2, 1, says="stride 2"),
    layer((1, 1, 5, 5), (1, 1, 3, 3), 1, 0),
]


def right(x, w, b, stride, pad):
    return ops.conv2d_forward(x, w, b, stride, pad)


def message(student, reference=right, cases=CASES, returns="out, ...", name="conv2d_forward", **options):
    """What the student reads; a check that passes where it must not fails the test."""
    with pytest.raises(CheckFailed) as failure:
        check.function(student, reference, cases, returns=returns, name=name, **options)
    return str(failure.value)


def changed(change):
    """A forward pass whose output went through `change`."""
    return lambda *args: (change(right(*args)[0]), None)


# -------------------------------------------------------------------------------------------------------- right answers


@pytest.mark.parametrize(
    "student",
    [
        right,
        changed(np.asfortranarray),
        changed(lambda out: out.astype(np.float32)),
        changed(lambda out: out.astype(np.longdouble)),
        changed(lambda out: out.tolist()),
        changed(lambda out: out.view(type("Mine", (np.ndarray,), {}))),
        changed(np.ma.asarray),
        changed(lambda out: out[::-1][::-1]),
        lambda *args: [*right(*args), "more", object()],
        lambda *args: (right(*args)[0],),
    ],
)
def test_a_right_answer_of_any_kind_passes(student, capsys):
    check.function(student, right, CASES, returns="out, ...", name="conv2d_forward")
    assert capsys.readouterr().out.startswith("✓ conv2d_forward agrees in 3 cases (largest error ")


def test_the_largest_error_is_a_share_of_the_largest_number(capsys):
    check.function(lambda x: x + 3e-3, lambda x: x, [(np.array([1.0, 1000.0]),)], name="f")
    assert capsys.readouterr().out == "✓ f agrees in 1 case (largest error 3e-06)\n"


@pytest.mark.parametrize("got", [5, 5.0, np.int8(5), np.float32(5), np.array(5), np.array(5.0)])
def test_numbers_of_any_kind_are_equal(got):
    assert check.function(lambda: got, lambda: 5, [()]) is None


@pytest.mark.parametrize("got", [(3, 4), [3, 4], np.array([3.0, 4.0]), [np.int64(3), np.array(4)]])
def test_a_tuple_of_numbers_is_one_result(got):
    check.function(lambda: got, lambda: (3, 4), [()])


def test_nan_and_infinity_are_right_where_they_are_expected():
    expected = np.array([np.nan, np.inf, -np.inf, 1.0])
    check.function(lambda: expected.copy(), lambda: expected, [()])
    for wrong in ([np.nan, np.inf, np.inf, 1], [0, np.inf, -np.inf, 1], [np.nan, np.inf, -np.inf, np.nan]):
        assert "out is wrong in 1 of 4 numbers" in message(lambda wrong=wrong: wrong, lambda: expected, [()], "out")


def test_parts_that_are_not_judged():
    check.function(lambda x: (1, x, None), lambda x: (2, x, 3), [(np.ones(2),)], returns="_, dw, _")
    assert "dw is wrong" in message(lambda x: (1, 2 * x, None), lambda x: (2, x, 3), [(np.ones(2),)], "_, dw, _")


def test_a_part_may_be_none():
    check.function(lambda x: (x, None), lambda x: (x, None), [(1,)], returns="dx, db")
    says = message(lambda x: (x, 0), lambda x: (x, None), [(1,)], "dx, db", name="backward")
    assert says.startswith("backward: db should be None here; it is the number 0. dx is right.")


# -------------------------------------------------------------------------------------------------------- wrong answers


def zeroed(index):
    def change(out):
        out = out.copy()
        out[index] = 0
        return out

    return changed(change)


WRONG = {
    "transposed": (changed(lambda out: out.swapaxes(2, 3)), "expected (2, 4, 5, 8).", "out.transpose(0, 1, 3, 2)"),
    "channels last": (changed(lambda out: np.moveaxis(out, 1, 3)), "out has shape", "out.transpose(0, 3, 1, 2)"),
    "no bias": (lambda x, w, b, *more: right(x, w, None, *more), "wrong in 320 of 320", "index in axis 1 only"),
    "no padding": (lambda x, w, b, stride, pad: right(x, w, b, stride, 0), "(2, 4, 3, 6)", "is the padding ignored?"),
    "no stride": (lambda x, w, b, stride, pad: right(x, w, b, 1, pad), "In case 2 of 3 (stride 2)", "Every second"),
    "edges repeated": (
        lambda x, w, b, s, p: right(np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)], mode="edge"), w, b, s, 0),
        "Largest error at out[",
        "All errors are at the border",
    ),
    "padding left on": (changed(lambda out: np.pad(out, [(0, 0), (0, 0), (2, 2), (2, 2)])), "shape", "border of 2"),
    "first image only": (zeroed(np.s_[1:]), "wrong in 160 of 320", "All errors are at index 1 of axis 0."),
    "last column": (zeroed(np.s_[..., -1]), "wrong in 40 of 320", "All errors are at index 7 of axis 3."),
    "first filter only": (zeroed(np.s_[:, 1:]), "wrong in 240", "All errors are at index 1, 2 or 3 of axis 1."),
    "one number": (zeroed(np.s_[1, 2, 3, 4]), "wrong in 1 of 320", "at index 1 of axis 0, at index 2 of axis 1"),
    "zeros": (changed(np.zeros_like), "wrong in 320", "Every number of out is 0."),
    "reversed": (changed(lambda out: out[:, :, ::-1, ::-1]), "wrong in", "in reverse along axes 2 and 3"),
    "sign": (changed(np.negative), "wrong in 320", "Every sign"),
    "mean": (lambda x, w, b, s, p: right(x, w / 18, b / 18, s, p), "wrong in 320", "Every number is 1/18 of what"),
    "twice": (changed(lambda out: 2.5 * out), "wrong in 320", "Every number is 2.5 times what"),
    "shifted": (changed(lambda out: out - 1.5), "wrong in 320", "Every number is off by -1.5."),
    "integers": (changed(lambda out: out.astype(int)), "wrong in", "dtype int64, which cuts fractions off"),
    "half": (changed(lambda out: out.astype(np.float16)), "wrong in", "float16 keeps only three digits"),
    "rounded": (changed(lambda out: np.round(out, 1)), "wrong in", "is something rounded"),
    "not a number": (changed(lambda out: np.where(out > 0, out, np.nan)), "got nan", "out holds NaN or infinity in"),
    "infinite": (changed(lambda out: out / 0), "got ", "out holds NaN or infinity in 320 places"),
    "flat": (changed(np.ravel), "out has shape (320,)", "out.reshape(2, 4, 5, 8) would be right"),
    "axis too many": (changed(lambda out: out[None]), "(1, 2, 4, 5, 8)", "axis 0 should be gone"),
    "not summed": (changed(lambda out: np.stack([out / 2, out / 2], 2)), "(2, 4, 2, 5, 8)", "Its sum over axis 2"),
    "only out": (lambda *args: right(*args)[0], "returned an array (2, 4, 5, 8)", "return the tuple (out, cache)"),
    "out in out": (lambda *args: (right(*args), None), "out is a", "expected an array (2, 4, 5, 8)"),
    "nothing": (lambda *args: None, "conv2d_forward returned None. Is its `return` missing?", "In case 1 of 3"),
    "empty tuple": (lambda *args: (), "returned a tuple of 0 values", "the tuple (out, cache)"),
    "None in it": (changed(lambda out: None), "out is None", "expected an array (2, 4, 5, 8)"),
    "a number": (changed(np.sum), "out is the number", "expected an array (2, 4, 5, 8)"),
    "one entry": (changed(lambda out: np.ones(1)), "out has shape (1,)", "expected (2, 4, 5, 8)"),
    "empty": (changed(lambda out: out[:0]), "out has shape (0, 4, 5, 8)", "expected (2, 4, 5, 8)"),
    "text": (changed(str), "out is the text", "expected an array"),
    "text array": (changed(lambda out: out.astype(str)), "out is an array of text", "of real numbers"),
    "complex": (changed(lambda out: out + 0j), "out is an array of complex numbers", "of real numbers"),
    "objects": (changed(lambda out: out.astype(object)), "out is an array of Python objects", "of real numbers"),
    "true or false": (changed(lambda out: out > 0), "out holds True and False", "expected numbers"),
    "masked": (changed(lambda out: np.ma.masked_less(out, 9)), "out is a masked array", "entries of which are hidden"),
    "ragged": (changed(lambda out: [[1], [1, 2]]), "out is a list whose parts differ in shape", "expected an array"),
    "dictionary": (lambda *args: {"out": 1}, "returned a dict", "the tuple (out, cache)"),
    "generator": (changed(iter), "out is ", "expected an array"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_answer_is_named(mistake):
    student, *words = WRONG[mistake]
    with np.errstate(all="ignore"):
        says = message(student)
    for word in words:
        assert word in says
    assert "In case" in says
    assert "x (" in says
    assert len(says.splitlines()) <= 4


def test_the_whole_message():
    def conv1d_matrix(w, n, stride):
        return [[w[j - i * stride] if 0 <= j - i * stride < len(w) else 0 for j in range(n)] for i in range(2)]

    def student(w, n, stride):
        return conv1d_matrix(w, n, 1)

    cases = [check.case(np.array([1, -2, 3]), 5, 1), check.case(np.array([1, -2, 3]), 5, 2, says="stride 2")]
    assert message(student, conv1d_matrix, cases, "out", name="conv1d_matrix").splitlines() == [
        "conv1d_matrix: out is wrong in 4 of 10 numbers.",
        "In case 2 of 2 (stride 2): w=[1, -2, 3], n=5, stride=2.",
        "expected [[1, -2, 3, 0, 0], [0, 0, 1, -2, 3]]",
        "got      [[1, -2, 3, 0, 0], [0, 1, -2, 3, 0]]",
        "Largest error at out[1, 3]: expected -2, got 3.",
        "All errors are at index 1 of axis 0 and at any index but 0 of axis 1.",
    ]


def test_a_number_that_is_wrong_takes_one_line():
    assert message(lambda n: n - 1, lambda n: n, [(5,)], "out", name="output_size").splitlines() == [
        "output_size: out is 4; expected 5.",
        "In the only case: n=5.",
    ]


def test_numbers_are_shown_with_as_many_digits_as_it_takes():
    assert "expected 1.00001, got 1.00002" in message(
        lambda: [1.00002], lambda: np.array([1.00001]), [()], "out", rtol=1e-9
    )
    assert "out is 138357545; expected 138357544." in message(lambda: 138357545, lambda: 138357544, [()], "out")


@pytest.mark.parametrize("off", [1, 0.5, -0.01])
def test_whole_numbers_must_be_met_however_large(off):
    """A tolerance of 1e-4 would let 138,357,544 parameters be wrong by thousands."""
    assert "expected 138357544" in message(lambda: 138357544 + off, lambda: 138357544, [()], "out")


@given(
    hnp.arrays(float, hnp.array_shapes(max_dims=4, max_side=4), elements=st.floats(-9, 9)),
    hnp.arrays(
        st.sampled_from(["f8", "f4", "f2", "i4", "u1", "?"]), hnp.array_shapes(min_dims=0, max_dims=4, max_side=4)
    ),
)
@settings(max_examples=300, deadline=None)
def test_every_difference_has_words(want, have):
    """Whatever two arrays are compared, the explanation is a sentence or nothing, and never an exception."""
    if not values.agree(want, have):
        words = differences.explain(want, have, "out")
        assert words == "" or words[-1] in ".?"


@given(
    hnp.arrays(float, hnp.array_shapes(max_dims=3, max_side=3), elements=st.floats(-1e3, 1e3)), st.data(), st.booleans()
)
def test_one_wrong_number_anywhere_is_found(want, data, nan):
    at = data.draw(st.tuples(*[st.integers(0, n - 1) for n in want.shape]))
    have = want.copy()
    have[at] = np.nan if nan else have[at] + 0.01 * max(np.abs(want).max(), 1)
    assert f"[{', '.join(map(str, at))}]: expected" in message(lambda: have, lambda: want, [()], "out")
    assert not values.agree(want, have)


# --------------------------------------------------------------------------------------------------- nothing fails open


class Yes(np.ndarray):
    """Equal to anything, as an array."""

    __eq__ = __ge__ = __le__ = lambda self, other: np.True_
    __array_ufunc__ = lambda self, *args, **kwargs: np.True_  # noqa: E731
    all = any = lambda self, *args: True


class Anything:
    """Equal to anything, as an object; to ask it for an array would give the right answer."""

    answer = None
    shape, dtype, ndim, size = (2, 4, 5, 8), np.dtype(float), 4, 320
    __eq__ = __bool__ = lambda self, *other: True
    __hash__ = None

    def __array__(self, *args, **kwargs):
        raise AssertionError("check asked a student's object for an array")

    __len__ = __iter__ = __getitem__ = __float__ = __index__ = __getattr__ = __array__

    @property
    def __class__(self):
        return np.ndarray


class Seven(float):
    """A number that says it is another one."""

    __array__ = __float__ = lambda self, *args: np.array(5.0)


def remote(kind):
    """What a test gets for an object that stayed in the student's process."""
    opaque = object.__new__(Remote)
    object.__setattr__(opaque, "_kind", kind)
    return opaque


@pytest.mark.parametrize("make, words", [(Anything, "class Anything"), (lambda: remote("Tensor"), "class Tensor")])
def test_an_object_is_never_asked(make, words):
    value = make()
    assert f"out is an object of {words}; expected an array (2, 4, 5, 8)." in message(lambda *args: (value, None))
    assert f"returned an object of {words}; it should return the tuple (out, cache)." in message(lambda *args: value)
    assert f"out is a list of 1 value: object of {words}; expected an array" in message(lambda *args: ([value], None))
    assert f"out is an object of {words}; expected a number." in message(lambda: value, lambda: 5, [()], "out")
    with pytest.raises(CheckFailed, match=f"the result is an object of {words}; expected 5"):
        check.equal(value, 5)


def test_an_opaque_object_goes_back_as_a_cache():
    seen = []
    check.gradient(
        lambda x: (2 * x, remote("Cache")),
        lambda dout, cache: (seen.append(type(cache)), 2 * dout)[1],
        [(np.ones(2),)],
        wrt=["x"],
    )
    assert seen == [Remote]


def test_an_array_that_equals_everything_is_judged_by_its_numbers():
    assert "wrong in 320 of 320" in message(changed(lambda out: np.zeros_like(out).view(Yes)))
    check.function(changed(lambda out: out.view(Yes)), right, CASES, returns="out, ...")


def test_a_number_of_the_students_own_class_is_no_number():
    assert "an object of class Seven" in message(lambda: Seven(7), lambda: 5, [()], "out")


def test_a_list_without_end_is_no_array():
    endless = []
    endless.append(endless)
    assert "expected an array" in message(changed(lambda out: endless))


def test_broadcasting_is_no_agreement():
    for got in (np.ones(1), np.ones((1, 5)), np.ones((5, 1)), 1.0):
        assert "expected" in message(lambda got=got: got, lambda: np.ones(5), [()], "out")


def test_nothing_is_no_agreement():
    assert "shape (0,); expected (3,)" in message(lambda: [], lambda: np.ones(3), [()], "out")
    assert "shape (0, 2); expected (0, 3)" in message(lambda: np.ones((0, 2)), lambda: np.ones((0, 3)), [()], "out")
    check.function(lambda: np.ones((0, 3)), lambda: np.ones((0, 3)), [()])


@pytest.mark.parametrize(
    "options",
    [
        {"cases": []},
        {"cases": [np.ones(3)]},
        {"returns": "..."},
        {"returns": "_, _"},
        {"returns": "dx, dw, db", "reference": lambda x: (x, x), "student": lambda x: (x, x, x)},
        {"returns": "out", "reference": lambda x: (x, np.ones((2, 2)), "cache")},
    ],
)
def test_a_check_that_checks_nothing_is_the_authors_mistake(options):
    options = {"student": lambda x: x, "reference": lambda x: x, "cases": [(np.ones(3),)]} | options
    with pytest.raises(ValueError):
        check.function(**options)


# ------------------------------------------------------------------------------------ exceptions, changes, and mistakes


def test_not_written_yet():
    def stub(x):
        raise NotImplementedError()

    def uses_stub(x):
        return stub(x)

    assert message(stub, lambda x: x, [(1,)], "out", name=None) == "stub is not written yet."
    assert (
        message(uses_stub, lambda x: x, [(1,)], "out", name=None) == "uses_stub needs stub, which is not written yet."
    )


def test_an_exception_comes_with_its_case_and_its_line():
    def inner(x):
        return x @ np.ones((2, 2))  # the culprit

    def student(x, n):
        return inner(x)

    with pytest.raises(CheckFailed) as failure:
        check.function(student, lambda x, n: x, [(np.ones((3, 4)), 2)])
    lines = str(failure.value).splitlines()
    assert lines[0].startswith("student raised ValueError: matmul")
    assert lines[1] == "In the only case: x (3, 4), n=2."
    number = inspect.getsourcelines(inner)[1] + 1
    assert lines[2] == f"In inner, line {number}: return x @ np.ones((2, 2))  # the culprit"
    assert isinstance(failure.value.__cause__, ValueError)


def test_an_exception_that_cannot_be_shown_is_still_reported():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    def student(x):
        raise Odd

    assert "student raised" in message(student, lambda x: x, [(1,)], "out", name=None)


@pytest.mark.parametrize("value", [5, None, "text", [1]])
def test_a_name_that_is_no_function(value):
    assert "conv2d_forward is" in message(value)
    assert "not a function" in message(value)


def in_place(x, w, b, stride, pad):
    out = right(x, w, b, stride, pad)
    x += 1
    return out


def test_an_argument_that_changes_is_named():
    says = message(in_place)
    assert says.startswith(
        "conv2d_forward gives the right result, but changes its argument x: work on a copy.\nIn case 1"
    )
    says = message(lambda x, w, b, s, p: right(np.add(x, 1, out=x), w, b, s, p))
    assert "out is wrong" in says
    assert says.endswith("It also changes its argument x: work on a copy.")


def test_a_change_deep_in_an_argument_is_named():
    def student(dout, cache):
        cache[1]["w"][0] = 7
        return dout

    cases = [(np.ones(2), (3, {"w": np.zeros(2)}))]
    assert "changes its argument cache[1]['w']" in message(student, lambda dout, cache: dout, cases, "out")


def test_an_array_that_is_taken_out_of_a_list_is_named():
    def student(arrays):
        arrays[0] = None
        return 1

    assert "changes its argument arrays[0]" in message(student, lambda arrays: 1, [([np.ones(2)],)], "out")


@pytest.mark.parametrize("change", [lambda a: a.pop(), lambda a: a.append(1), lambda a: a.__setitem__(0, 5)])
def test_a_list_that_changes_is_named(change):
    assert "changes its argument a" in message(lambda a: [change(a), 1][1], lambda a: 1, [([1, 2],)], "out")


def test_the_cases_stay_as_they_are():
    before = [np.copy(a) for a in CASES[0].args[:3]]
    message(in_place)
    message(right, reference=lambda *args: (in_place(*args)[0] + 1, None))
    for a, b in zip(CASES[0].args, before, strict=False):
        np.testing.assert_array_equal(a, b)


def test_both_functions_draw_the_same_random_numbers():
    check.function(lambda r: r.normal(size=3), lambda r: r.normal(size=3), [(np.random.default_rng(5),)])


MISTAKES = {
    "It raises.": lambda *args: 1 / 0,
    "The padding is ignored.": lambda x, w, b, stride, pad: right(x, w, b, stride, 0),
    "The stride is ignored.": lambda x, w, b, stride, pad: right(x, w, b, 1, pad),
    "Both are ignored.": lambda x, w, b, stride, pad: right(x, w, b, 1, 0),
}


@pytest.mark.parametrize("says", list(MISTAKES)[1:])
def test_a_known_mistake_is_named(says):
    assert says in message(MISTAKES[says], mistakes=MISTAKES)


def test_a_mistake_that_fits_in_one_case_alone_is_not_named():
    """Square and add are alike for 2: only what gives the student's answers everywhere is quoted."""
    mistakes = {"It is added.": lambda x: x + x, "It is squared.": lambda x: x * x}
    cases = [(np.array([2.0]),), (np.array([3.0]),)]
    for student in (lambda x: x + x, lambda x: x * x, lambda x: 4 * x / x):
        says = message(student, lambda x: 0 * x, cases, "out", mistakes=mistakes)
        assert [name for name in mistakes if name in says] == [
            name for name in mistakes if mistakes[name](3.0) == student(3.0)
        ]


def test_a_change_with_a_right_result_is_not_blamed_on_a_mistake_with_a_wrong_one():
    def doubles(x):
        x *= 2
        return x

    def clears(x):
        out = x + 1
        x[:] = 0
        return out

    says = message(clears, lambda x: x + 1, [(np.arange(3.0),)], "out", mistakes={"It doubles in place.": doubles})
    assert "changes its argument x" in says
    assert "It doubles" not in says


def test_where_mistakes_look_alike_another_case_decides():
    """In the first case no padding and no stride are needed to fail, so only later cases tell the mistakes apart."""
    cases = [CASES[1], CASES[0], CASES[2]]
    mistakes = {
        "All is 1.": lambda x, *more: (np.ones((1, 3, 4, 3)), None),
        "All is 1, of the right shape.": lambda *args: (np.ones(right(*args)[0].shape), None),
    }
    assert "All is 1, of the right shape." in message(changed(np.ones_like), cases=cases, mistakes=mistakes)


def test_where_one_part_looks_alike_the_others_decide():
    def reference(x):
        return x, x + 1

    mistakes = {
        "Both are doubled.": lambda x: (2 * x, 2 * x + 2),
        "dx is doubled.": lambda x: (2 * x, x + 1),
    }
    for says, student in mistakes.items():
        assert says in message(student, reference, [(np.ones(3),)], "dx, dw", mistakes=mistakes)


def test_a_known_change_is_named():
    mistakes = {"It raises.": lambda *args: 1 / 0, "b is changed.": lambda x, w, b, s, p: b.fill(9)}
    mistakes["x is written to."] = in_place
    assert message(in_place, mistakes=mistakes).splitlines()[2] == "x is written to."


def test_an_unknown_mistake_is_not_given_a_wrong_name():
    says = message(changed(lambda out: out * np.arange(out.shape[-1])), mistakes=MISTAKES)
    assert not any(known in says for known in MISTAKES)


def test_each_part_of_a_backward_pass_is_judged():
    def reference(dout, x):
        return dout @ np.ones((2, 3)), dout.T @ x, dout.sum(0)

    cases = [(rng.normal(size=(4, 2)), rng.normal(size=(4, 3)))]
    parts = {"cases": cases, "returns": "dx, dw, db", "name": "backward"}
    says = message(lambda *a: (reference(*a)[0], reference(*a)[1] * 2, reference(*a)[2]), reference, **parts)
    assert says.startswith("backward: dw is wrong in 6 of 6 numbers. dx and db are right.")
    says = message(lambda *a: (None, None, reference(*a)[2]), reference, **parts)
    assert says.startswith("backward: dx is None; expected an array (4, 3). db is right.")
    assert "Its sum over axis 0 would be right" in message(lambda d, x: (*reference(d, x)[:2], d), reference, **parts)
    assert "This is db: the right order is dx, dw, db." in message(lambda *a: reference(*a)[::-1], reference, **parts)
    assert "return the tuple (dx, dw, db)" in message(lambda *a: reference(*a)[:2], reference, **parts)
    assert "return the tuple (dx, dw, db)" in message(lambda *a: (*reference(*a), 0), reference, **parts)


# ------------------------------------------------------------------------------------------------------------- gradient


LAYERS = [check.case(*one.args, says=one.says) for one in CASES[:2]]


def backward(dout, cache):
    return ops.conv2d_backward(dout, cache)


def gradient_message(student, forward=right, cases=LAYERS, **options):
    with pytest.raises(CheckFailed) as failure:
        check.gradient(forward, student, cases, **options)
    return str(failure.value)


def test_a_right_backward_pass_agrees_with_differences(capsys):
    check.gradient(right, backward, LAYERS)
    assert capsys.readouterr().out.startswith("✓ backward agrees in 2 cases (largest error ")


def test_a_wrong_backward_pass_does_not():
    def double(dout, cache):
        dx, dw, db = backward(dout, cache)
        return dx, 2 * dw, db

    says = gradient_message(double, name="conv2d_backward", mistakes={"dw is doubled.": double})
    assert says.startswith(
        "conv2d_backward: dw is wrong in 72 of 72 numbers. dx and db are right.\nIn case 1 of 2: dout (2"
    )
    assert says.endswith("dw is doubled.")


def test_gradients_by_name_by_place_and_of_nothing():
    def scale(x, gamma, beta=None):
        return gamma * x, (x, gamma)

    def scale_backward(dout, cache):
        return dout * cache[0], dout * cache[1]

    case = [(np.ones(3), np.arange(3.0), None)]
    check.gradient(scale, scale_backward, case, wrt=["gamma", "x"])
    check.gradient(scale, lambda d, c: scale_backward(d, c)[::-1], case, wrt=["a", "b"])
    check.gradient(lambda *args: scale(*args), lambda d, c: scale_backward(d, c)[::-1], case, wrt=["a", "b"])
    check.gradient(scale, lambda d, c: (None, d * c[0]), case, wrt=["_", "gamma"])
    check.gradient(scale, lambda d, c: (*scale_backward(d, c), None), case, wrt=["gamma", "x", "beta"])
    assert "dbeta should be None here" in gradient_message(
        lambda d, c: (*scale_backward(d, c), d), scale, case, wrt=["gamma", "x", "beta"]
    )


def test_a_backward_pass_may_not_change_what_it_gets():
    def greedy(dout, cache):
        grads = backward(dout, cache)
        dout *= 0
        cache[0][:] = 0
        return grads

    assert "changes its argument dout" in gradient_message(greedy)


@pytest.mark.parametrize(
    "forward, words",
    [
        (lambda x, w, b, stride, pad: right(x, w, b, stride, pad)[0], "it should return the tuple (out, cache)"),
        (lambda x, w, b, stride, pad: (None, None), "out is None"),
        (lambda x, w, b, stride, pad: (x * np.nan, None), "out holds NaN or infinity"),
        (lambda x, w, b, stride, pad: 1 / 0, "raised ZeroDivisionError: division by zero"),
    ],
)
def test_a_forward_pass_that_cannot_be_used(forward, words):
    forward.__name__ = "conv2d_forward"
    says = gradient_message(lambda dout, cache: (np.full(3, np.nan),) * 3, forward)
    assert says.startswith("conv2d_forward")
    assert words in says


# ----------------------------------------------------------------------------------------------------- raises and equal


def refuses(n, f):
    if f > n:
        raise ValueError("too large")
    return n - f + 1


def test_raises():
    check.raises(refuses, 3, 7, says="7 > 3")
    for student, words in {
        (lambda n, f: n - f): r"size\(3, 7\) returned the number -4.\nIt must raise ValueError: 7 > 3.",
        (lambda n, f: {}[n]): r"size\(3, 7\) raised KeyError: 3\nIt must raise ValueError: 7 > 3.",
        (lambda n, f: None): r"size\(3, 7\) returned None.",
    }.items():
        with pytest.raises(CheckFailed, match=words):
            check.raises(student, 3, 7, says="7 > 3", name="size")


def test_what_is_not_written_refuses_nothing():
    def stub(n):
        raise NotImplementedError

    for error in (ValueError, Exception, NotImplementedError):
        with pytest.raises(CheckFailed, match="stub is not written yet"):
            check.raises(stub, 3, error=error)


@pytest.mark.parametrize(
    "got, expected",
    [(5, 5), (5.0, 5), ([1, 2], (1, 2)), (np.array([1.0, 2]), [1, 2]), ("valid", "valid"), (None, None), (True, True)],
)
def test_equal(got, expected):
    check.equal(got, expected)


@pytest.mark.parametrize(
    "got, expected, words",
    [
        (4, 5, "the size is 4; expected 5."),
        (None, 5, "the size is None; expected 5."),
        (5, None, "the size is 5; expected None."),
        ([1, 2], [1, 3], r"the size is \[1, 2\]; expected \[1, 3\]."),
        ([5], 5, r"the size is \[5\]; expected 5."),
        ("same", "valid", "the size is 'same'; expected 'valid'."),
        (float("nan"), 5, "the size is nan; expected 5."),
        (2.33, 2, "the size is 2.33; expected 2."),
    ],
)
def test_not_equal(got, expected, words):
    with pytest.raises(CheckFailed, match=words):
        check.equal(got, expected, "the size")


# -------------------------------------------------------------------------------------------------------- in a notebook


def test_a_notebook_shows_the_message_alone():
    assert CheckFailed("one\ntwo")._render_traceback_() == ["one", "two"]


def test_the_failing_case_can_be_tried_again():
    message(changed(np.zeros_like), cases=CASES[1:])
    x, *_ = check.last_case()
    np.testing.assert_array_equal(x, CASES[1].args[0])
    x[:] = 0
    assert check.last_case()[0].any(), "each call gives a copy"


@pytest.mark.parametrize("drawing", [lambda *args, **kwargs: 1 / 0, None])
def test_a_live_notebook_draws_and_a_drawing_that_fails_hides_nothing(monkeypatch, drawing, capsys):
    drawn = []
    monkeypatch.setattr("cnnlib.check.notebook.live", lambda: True)
    monkeypatch.setattr(plot, "comparison", drawing or (lambda *args, title: drawn.append((*args, title))))
    says = message(changed(np.zeros_like))
    assert says.endswith("To try this case: conv2d_forward(*check.last_case())")
    if drawing:
        assert capsys.readouterr().out == "(The picture could not be drawn: division by zero)\n"
    else:
        [(expected, got, title)] = drawn
        assert title == "conv2d_forward: out"
        np.testing.assert_array_equal(expected, right(*CASES[0].args)[0])
        np.testing.assert_array_equal(got, 0)


def test_arrays_of_another_shape_are_not_drawn(monkeypatch):
    monkeypatch.setattr("cnnlib.check.notebook.live", lambda: True)
    monkeypatch.setattr(plot, "comparison", pytest.fail)
    message(changed(lambda out: out[:1]))
    message(lambda x: x + 1, lambda x: x, [(np.ones(3),)], "out")


def test_an_answer_where_an_error_is_due_is_named_too():
    mistakes = {"It divides by None.": lambda n: n / None, "It rounds down.": lambda n: n // 2}
    for student, words in (
        (lambda n: n // 2, "returned the number 3.\nIt must raise ValueError: odd.\nIt rounds down."),
        (lambda n: 4, "raise ValueError: odd."),
    ):
        with pytest.raises(CheckFailed) as failure:
            check.raises(student, 7, says="odd", mistakes=mistakes, name="half")
        assert str(failure.value).endswith(words)


def test_what_is_withheld_fails_at_home_as_in_grading(monkeypatch):
    """In a live notebook the student's call of a closed function fails, by whatever name; references and demos go on."""
    monkeypatch.setattr(notebook, "live", lambda: True)
    monkeypatch.setattr(notebook, "_closed", ("cnnlib.ops.conv2d_forward",))
    closed = "conv2d_forward of cnnlib is closed to your code in this lesson"
    students = {
        "by its package": lambda x: ops.conv2d_forward(x, np.ones((1, 1, 2, 2)))[0],
        "by its module": lambda x: importlib.import_module("cnnlib.ops.conv").conv2d_forward(x, np.ones((1, 1, 2, 2)))[
            0
        ],
        "in a layer": lambda x: autograd.functional.conv2d(x, np.ones((1, 1, 2, 2))).data,
    }
    cases = [(np.ones((1, 1, 3, 3)),)]
    for student in students.values():
        assert closed in message(student, students["by its package"], cases, "out", name="layer")
        assert student(*cases[0]).shape == (1, 1, 2, 2), "it is open again"
    check.withhold()
    check.function(students["by its package"], students["by its module"], cases, name="layer")


@pytest.mark.parametrize(("file", "tells"), [("<test hidden>", False), ("<ipython-input-3-1f>", True)])
def test_a_line_of_a_function_of_the_check_itself_is_not_told(file, tells):
    names = {}
    exec(compile("def secret(x): return x[1]", file, "exec"), names)
    says = message(names["secret"], lambda x: x, [(np.ones(1),)], "out", name="layer")
    assert "layer raised IndexError" in says and ("In secret, line 1" in says) == tells


def test_an_interrupted_function_is_told_where_it_was():
    def student(x):
        while True:
            raise KeyboardInterrupt  # as Jupyter's stop button does

    says = message(student, lambda x: x, [(np.ones(2),)], "out", name="layer")
    assert says.startswith("layer was stopped while it ran: is there a loop without an end?")
    assert "In student, line" in says
