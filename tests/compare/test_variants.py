"""What --models, --vary and --labels combine to."""

from __future__ import annotations

import pytest

from unetkit.compare.variants import make_variants, parse_labels
from unetkit.errors import UnknownName, UsageError


def test_all_combinations_in_the_order_they_were_named() -> None:
    variants = make_variants(["unet", "unet-lite0"], ["training.loss=dice,ce+dice"], ())
    assert [v.name for v in variants] == [
        "unet, training.loss=dice",
        "unet, training.loss=ce+dice",
        "unet-lite0, training.loss=dice",
        "unet-lite0, training.loss=ce+dice",
    ]
    assert variants[3].model == "unet-lite0"
    assert variants[3].settings == ("training.loss=ce+dice",)
    assert len({v.folder for v in variants}) == 4


def test_what_all_have_in_common_is_not_in_the_name() -> None:
    variants = make_variants(["unet"], [], (2, None))
    assert [v.name for v in variants] == ["2 images", "all images"]
    assert [v.labels for v in variants] == [2, None]
    assert {v.model for v in variants} == {"unet"}


def test_commas_within_brackets_belong_to_the_value() -> None:
    variants = make_variants([], ["training.patch=[64, 64],[128, 128]", "model.skips=all,none"], ())
    assert len(variants) == 4
    assert variants[0].settings == ("training.patch=[64, 64]", "model.skips=all")


@pytest.mark.parametrize(
    ("models", "vary", "labels"),
    [
        ([], [], ()),
        (["unet"], [], ()),
        ([], ["training.loss=dice"], ()),
        (["unet", "unet"], [], ()),
        ([], ["training.loss=dice,"], ()),
        ([], ["training.loss"], ()),
        ([], ["=a,b"], ()),
        ([], [], (0, 5)),
        ([], [], (5, 5)),
    ],
)
def test_what_cannot_be_compared_is_refused(models: list[str], vary: list[str], labels: tuple[int | None, ...]) -> None:
    with pytest.raises(UsageError):
        make_variants(models, vary, labels)


def test_an_unknown_model_lists_the_nearest() -> None:
    with pytest.raises(UnknownName, match="'unet'"):
        make_variants(["unett", "unet"], [], ())


def test_labels() -> None:
    assert parse_labels("2, 5,all") == (2, 5, None)
    assert parse_labels(None) == ()
    for text in ("few", "2,,5", "-1", "2.5"):
        with pytest.raises(UsageError, match="numbers of images"):
            parse_labels(text)
