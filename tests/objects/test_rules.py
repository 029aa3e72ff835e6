"""Rules over tables: what they mean, and that they can do nothing else."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unetkit.errors import UsageError
from unetkit.objects import Table, apply_rule
from unetkit.objects.measuring import removed

TABLE = Table(
    {
        "id": np.array([1, 2, 3, 2**60]),
        "class": np.array(["cell", "cell", "debris", "cell"], object),
        "area_um2": np.array([10.0, 30.0, 50.0, np.nan]),
        "solidity": np.array([0.9, 0.7, 0.95, 0.99]),
        "touches_border": np.array([True, False, False, False]),
        "removed_by": np.array(["", "", "", ""], object),
    },
    class_names=("cell", "debris"),
)


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("area_um2 > 20 and solidity > 0.8", [0, 0, 1, 0]),
        ("area_um2 > 20 or solidity > 0.8", [1, 1, 1, 1]),
        ("not touches_border", [0, 1, 1, 1]),
        ("touches_border == False", [0, 1, 1, 1]),
        ('class == "cell"', [1, 1, 0, 1]),
        ("class != 'cell' and 10 < area_um2 <= 50", [0, 0, 1, 0]),
        ('class in ("debris", "cell")', [1, 1, 1, 1]),
        ("id in [1, 3]", [1, 0, 1, 0]),
        (f"id == {2**60}", [0, 0, 0, 1]),
        (f"id == {2**60 + 1}", [0, 0, 0, 0]),
        ("area_um2 / 10 - 1 >= 2 ** 1", [0, 1, 1, 0]),
        ("-area_um2 < -20", [0, 1, 1, 0]),
        ("area_um2 == area_um2", [1, 1, 1, 0]),
        ("area_um2 != 10", [0, 1, 1, 0]),
        ("1 < 2", [1, 1, 1, 1]),
        ("area_um2 * 9**9**9 > 1", [1, 1, 1, 0]),
        ("solidity < 1e400", [1, 1, 1, 1]),
    ],
)
def test_a_rule_keeps(rule: str, kept: list[int]) -> None:
    assert apply_rule(TABLE, rule).astype(int).tolist() == kept


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("area_um > 3", "area_um2"),
        ("class == 'cel'", "cell"),
        ("area_um2", "yes or no"),
        ("area_um2 and solidity > 1", "yes or no"),
        ("not area_um2", "yes or no"),
        ("class > 3", "number with a text"),
        ("class + 1 > 3", "no number"),
        ("area_um2 >", "cannot be read"),
        ("", "cannot be read"),
        ("area_um2 > 3; 1", "cannot be read"),
        ("\0", "cannot be read"),
        ("__import__('os').system('true')", "does not have|do not have"),
        ("area_um2.real > 3", "do not have"),
        ("(lambda: 1)() > 0", "do not have"),
        ("[x for x in (1, 2)] == 1", "do not have"),
        ("solidity if 1 else 2", "do not have"),
        ("f'{solidity}' == 'a'", "do not have"),
        ("area_um2 is None", "do not have"),
        ("1 << 99 > 0", "do not have"),
        ("1j > 0", "do not have"),
        ("(" * 300 + "1" + ")" * 300 + " > 0", "cannot be read"),
        ("1 > 0 " * 400, "too long"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_reason(rule: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        apply_rule(TABLE, rule)


@given(st.text(alphabet="abcilnorsty _0123456789<>=!()+-*/.\"'[],:", max_size=40))
def test_any_text_is_a_rule_or_a_usage_error(rule: str) -> None:
    with contextlib.suppress(UsageError):
        assert apply_rule(TABLE, rule).shape == (4,)


def test_removed_objects_stay_with_the_first_rule_that_removed_them() -> None:
    table = removed(TABLE, ["area_um2 > 20", "solidity > 0.8"])
    assert len(table) == 4
    assert table["removed_by"].tolist() == ["area_um2 > 20", "solidity > 0.8", "", "area_um2 > 20"]
    assert TABLE["removed_by"].tolist() == [""] * 4
