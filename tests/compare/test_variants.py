"""What --models, --vary and --labels combine to."""

from __future__ import annotations

import pytest

from unetkit.compare.variants import Variant, make_variants, named, parse_labels
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


def test_variants_of_one_name_in_two_comparisons_have_folders_of_their_own() -> None:
    one, other = (make_variants([model], ["training.loss=dice,ce"], ()) for model in ("unet", "unet++"))
    assert [v.name for v in one] == [v.name for v in other]
    assert one[0] != other[0]
    assert len({v.folder for v in (*one, *other)}) == 4
    assert all("dice" in v.folder or "ce" in v.folder for v in one)


def test_folders_differ_where_only_signs_that_no_folder_may_hold_do() -> None:
    long = "training.loss_options={" + ", ".join(f"a{n}: {n}" for n in range(90)) + "}"
    settings = ["x=[1, 2]", "x=[1  2]", "x={1, 2}", "x=A", "x=a", long + "1", long + "2"]
    folders = {Variant("", settings=(setting,)).folder.lower() for setting in settings}
    assert len(folders) == len(settings)
    assert max(map(len, folders)) < 120


def test_names_tell_the_variants_of_several_calls_apart() -> None:
    earlier = make_variants(["unet"], ["training.loss=dice,ce"], ())
    later = make_variants(["unet", "unet++"], [], ())
    both = named((*later, *earlier, *later))
    assert [v.name for v in both] == ["unet", "unet++", "unet, training.loss=dice", "unet, training.loss=ce"]
    assert both[2] == earlier[0]
    only_one_adds = named((Variant("", "unet"), Variant("", "unet", ("training.batch=4",))))
    assert [v.name for v in only_one_adds] == ["unet", "training.batch=4"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("training.patch=[64, 64],[128, 128]", ["[64, 64]", "[128, 128]"]),
        ("training.replans=[[1, 2], [3, 4]],none", ["[[1, 2], [3, 4]]", "none"]),
        ("training.loss_options={gamma: 2, b: [1, 2]},{gamma: 3}", ["{gamma: 2, b: [1, 2]}", "{gamma: 3}"]),
        ("model.skips=all,none", ["all", "none"]),
    ],
)
def test_commas_within_brackets_belong_to_the_value(text: str, values: list[str]) -> None:
    key = text.partition("=")[0]
    assert [v.settings for v in make_variants([], [text], ())] == [(f"{key}={value}",) for value in values]


@pytest.mark.parametrize(
    ("models", "vary", "labels", "said"),
    [
        ([], [], (), "no variants"),
        (["unet"], [], (), "found unet"),
        ([], [], (5,), "found 5 images"),
        ([], ["training.loss=dice"], (), "found training.loss=dice"),
        (["unet", "unet"], [], (), "named twice in the comparison; found unet"),
        ([], ["training.loss=dice,"], (), "--vary is not understood"),
        ([], ["training.loss"], (), "--vary is not understood"),
        ([], ["=a,b"], (), "--vary is not understood"),
        ([], [], (0, 5), "--labels cannot be used; found 0"),
        ([], [], (5, 5), "named twice"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    models: list[str], vary: list[str], labels: tuple[int | None, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
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
