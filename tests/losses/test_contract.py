"""What every loss in the registry promises, whatever it computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unetkit.errors import InputError, UnetkitError, UsageError
from unetkit.losses import LOSSES, Loss, build_loss

SHAPES = {"2D": (2, 20, 24), "3D": (2, 6, 10, 9)}
GARBAGE = (float("nan"), float("inf"), -1e30, 1e4, -3.0)

every_loss = pytest.mark.parametrize("name", LOSSES)
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
every_count = pytest.mark.parametrize("num_classes", [2, 5], ids=["K=2", "K=5"])


def make(name: str, num_classes: int, **options: Any) -> Loss:
    """The loss, with unequal class weights if it cannot be without."""
    weights = [1.0 + k for k in range(num_classes)] if "weighted" in name else None
    return build_loss(name, num_classes=num_classes, class_weights=weights, **options)


@dataclass
class Batch:
    logits: Tensor
    target: Tensor
    valid: Tensor

    def __iter__(self) -> Any:
        return iter((self.logits, self.target, self.valid))


def make_batch(shape: tuple[int, ...], num_classes: int, *, seed: int = 0, share: float = 0.85) -> Batch:
    """Smooth blobs of every class on background, with noise for logits; `share` of the pixels are labelled."""
    generator = torch.Generator().manual_seed(seed)
    pool = F.avg_pool2d if len(shape) == 3 else F.avg_pool3d
    fields = pool(torch.randn(shape[0], num_classes, *shape[1:], generator=generator), 5, 1, 2)
    logits = torch.randn(shape[0], num_classes, *shape[1:], generator=generator)
    return Batch(logits, fields.argmax(1), torch.rand(shape, generator=generator) < share)


def value_and_gradient(loss: Loss, batch: Batch) -> tuple[Tensor, Tensor]:
    logits = batch.logits.clone().requires_grad_()
    value = loss(logits, batch.target, batch.valid)
    value.backward()
    assert logits.grad is not None
    return value.detach(), logits.grad


@every_loss
@every_shape
@every_count
def test_a_finite_float32_scalar_and_a_gradient_on_labelled_pixels_alone(
    name: str, shape: tuple[int, ...], num_classes: int
) -> None:
    batch = make_batch(shape, num_classes)
    value, gradient = value_and_gradient(make(name, num_classes), batch)
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert gradient.isfinite().all()
    hidden = (~batch.valid).unsqueeze(1).expand_as(gradient)
    assert (gradient[hidden] == 0).all()
    assert (gradient[~hidden] != 0).any()


@every_loss
@every_shape
@every_count
def test_falls_as_the_logits_move_to_the_truth(name: str, shape: tuple[int, ...], num_classes: int) -> None:
    batch = make_batch(shape, num_classes)
    loss = make(name, num_classes)
    truth = F.one_hot(batch.target, num_classes).movedim(-1, 1).float()
    values = [float(loss(scale * truth, batch.target, batch.valid)) for scale in (-2.0, 0.0, 2.0, 4.0, 8.0)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)


@every_loss
@every_shape
@every_count
def test_a_step_against_the_gradient_lowers_it(name: str, shape: tuple[int, ...], num_classes: int) -> None:
    batch = make_batch(shape, num_classes)
    loss = make(name, num_classes)
    before, gradient = value_and_gradient(loss, batch)
    batch.logits = batch.logits - 0.02 * gradient / gradient.abs().max()
    assert loss(*batch) < before


@every_loss
@every_shape
def test_nothing_labelled_is_zero_with_zero_gradient(name: str, shape: tuple[int, ...]) -> None:
    batch = make_batch(shape, 3, share=0.0)
    batch.target.fill_(255)
    batch.logits[0] = float("nan")
    value, gradient = value_and_gradient(make(name, 3), batch)
    assert value == 0
    assert (gradient == 0).all()


@every_loss
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 1000),
    share=st.sampled_from([0.02, 0.5, 0.95]),
    garbage=st.sampled_from(GARBAGE),
    label=st.sampled_from([255, -1, 0, 2, 7]),
)
def test_what_is_not_labelled_changes_nothing(name: str, seed: int, share: float, garbage: float, label: int) -> None:
    batch = make_batch((2, 9, 11), 3, seed=seed, share=share)
    loss = make(name, 3)
    value, gradient = value_and_gradient(loss, batch)
    hidden = ~batch.valid
    other = Batch(
        batch.logits.masked_fill(hidden.unsqueeze(1), garbage), batch.target.masked_fill(hidden, label), batch.valid
    )
    other_value, other_gradient = value_and_gradient(loss, other)
    assert torch.equal(other_value, value)
    assert torch.equal(other_gradient, gradient)


@every_loss
def test_an_unlabelled_image_in_the_batch_changes_nothing(name: str) -> None:
    batch = make_batch((2, 20, 24), 3)
    batch.valid[1] = False
    alone = Batch(batch.logits[:1], batch.target[:1], batch.valid[:1])
    loss = make(name, 3)
    torch.testing.assert_close(loss(*batch), loss(*alone))


@every_loss
def test_all_labelled_takes_the_same_value_with_and_without_the_masking(name: str) -> None:
    """A batch where all is labelled skips the masking: one unlabelled image beside it brings the masking back."""
    plain = make_batch((2, 20, 24), 3, share=1.1)
    assert plain.valid.all()
    pad = Batch(*(torch.cat([tensor, torch.zeros_like(tensor[:1])]) for tensor in plain))
    loss = make(name, 3)
    torch.testing.assert_close(loss(*plain), loss(*pad))


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    batch = make_batch((2, 20, 24), 3)
    loss = make(name, 3)
    half = Batch(batch.logits.to(dtype), batch.target, batch.valid)
    value, gradient = value_and_gradient(loss, half)
    expected, expected_gradient = value_and_gradient(loss, Batch(half.logits.float(), batch.target, batch.valid))
    assert torch.equal(value, expected)
    torch.testing.assert_close(gradient, expected_gradient.to(dtype))


@every_loss
def test_autocast_does_not_lower_the_precision(name: str) -> None:
    batch = make_batch((2, 20, 24), 3)
    loss = make(name, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(*batch)
    assert torch.equal(inside, loss(*batch))


@every_loss
@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_huge_logits_stay_finite(name: str, scale: float) -> None:
    batch = make_batch((2, 20, 24), 3)
    batch.logits = scale * F.one_hot(batch.target, 3).movedim(-1, 1).float()
    value, gradient = value_and_gradient(make(name, 3), batch)
    assert value.isfinite()
    assert gradient.isfinite().all()


@every_loss
def test_gradient_is_the_derivative(name: str) -> None:
    batch = make_batch((2, 4, 5), 3, seed=3)
    loss = make(name, 3)
    logits = batch.logits.double().requires_grad_()
    assert loss(logits, batch.target, batch.valid).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda x: loss(x, batch.target, batch.valid), (logits,))


@every_loss
def test_memory_layout_changes_nothing_and_inputs_are_left_alone(name: str) -> None:
    batch = make_batch((2, 20, 24), 3)
    copies = [tensor.clone() for tensor in batch]
    loss = make(name, 3)
    expected = loss(*batch)
    strided = Batch(
        batch.logits.contiguous(memory_format=torch.channels_last),
        batch.target.mT.contiguous().mT,
        batch.valid.mT.contiguous().mT,
    )
    torch.testing.assert_close(loss(*strided), expected)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(batch, copies, strict=True))


@every_loss
def test_narrow_integer_targets_do_as_well(name: str) -> None:
    batch = make_batch((2, 20, 24), 3)
    loss = make(name, 3)
    expected = loss(*batch)
    narrow = batch.target.to(torch.uint8).masked_fill(~batch.valid, 255)
    assert torch.equal(loss(batch.logits, narrow, batch.valid), expected)


@every_loss
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 7), (1, 1, 1, 1)], ids=str)
def test_tiny_images(name: str, shape: tuple[int, ...]) -> None:
    logits = torch.randn(shape[0], 2, *shape[1:], generator=torch.Generator().manual_seed(0))
    value, gradient = value_and_gradient(
        make(name, 2), Batch(logits, torch.ones(shape, dtype=torch.int64), torch.ones(shape, dtype=torch.bool))
    )
    assert value.isfinite()
    assert gradient.isfinite().all()


@every_loss
def test_pixel_weights_are_used_or_refused(name: str) -> None:
    batch = make_batch((2, 20, 24), 3)
    loss = make(name, 3)
    weight = torch.rand(batch.target.shape, generator=torch.Generator().manual_seed(1)) + 0.1
    if not loss.takes_weight:
        with pytest.raises(UsageError, match="does not use pixel weights"):
            loss(*batch, weight=weight)
        return
    weighted = loss(*batch, weight=weight)
    assert weighted != loss(*batch)
    assert torch.equal(loss(*batch, weight=weight.masked_fill(~batch.valid, float("nan"))), weighted)
    torch.testing.assert_close(loss(*batch, weight=3 * weight), weighted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": torch.zeros(2, 4, 8, 8)}, r"found torch.float32 of shape \(2, 4, 8, 8\); expected .*\(N, 3"),
        ({"logits": torch.zeros(2, 3, 8)}, "expected floats of shape"),
        ({"logits": torch.zeros(2, 3, 8, 8, dtype=torch.int64)}, "found torch.int64"),
        ({"target": torch.zeros(2, 8, 9, dtype=torch.int64)}, r"target does not fit.*\(2, 8, 9\).*\(2, 8, 8\)"),
        ({"target": torch.zeros(2, 8, 8)}, "found target torch.float32"),
        ({"target": torch.full((2, 8, 8), 3)}, "of no class; found targets from 3 to 3; expected 0 to 2"),
        ({"target": torch.full((2, 8, 8), -1)}, "found targets from -1 to -1"),
        ({"valid": torch.ones(2, 8, 8)}, "valid torch.float32"),
        ({"valid": torch.ones(1, 8, 8, dtype=torch.bool)}, "valid does not fit"),
        ({"weight": torch.ones(8, 8)}, "weight does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Tensor], message: str) -> None:
    given = {
        "logits": torch.zeros(2, 3, 8, 8),
        "target": torch.zeros(2, 8, 8, dtype=torch.int64),
        "valid": torch.ones(2, 8, 8, dtype=torch.bool),
    } | change
    with pytest.raises(InputError, match=message):
        build_loss("ce", num_classes=3)(**given)


@every_loss
def test_a_registered_loss_has_a_line_for_the_docs(name: str) -> None:
    text = LOSSES[name].__doc__
    assert text is not None
    assert text.strip().endswith(".")
    assert "\n" not in text.strip()


@every_loss
def test_an_unknown_option_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError, match=r"has no option 'gama'; expected (one of|no options)"):
        make(name, 2, gama=1)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("cross-entropy", {}, "no loss is called 'cross-entropy'"),
        ("focal", {"gama": 2}, "expected one of gamma$"),
        ("tversky", {"gamma": 2}, "expected one of alpha, beta, smooth, background"),
        ("focal", {"gamma": 0.5}, "'gamma'.*found 0.5; expected 0, or a number from 1 up"),
        ("focal", {"gamma": float("nan")}, "'gamma'"),
        ("dice", {"smooth": 0}, "'smooth'.*above 0"),
        ("cldice", {"smooth": -1.0}, "'smooth'.*above 0"),
        ("cldice", {"iterations": 2.5}, "'iterations'"),
        ("tversky", {"alpha": -1}, "'alpha'"),
        ("tversky", {"alpha": 0, "beta": 0}, "'beta'.*above 0 when alpha is 0"),
        ("boundary", {"spacing": (1.0, 0.0)}, "'spacing'"),
        ("ce+border", {"sigma": 0}, "'sigma'"),
        ("ce+border+dice", {"w0": -1}, "'w0'"),
        ("ce+dice", {"dice_factor": -1}, "'factor'"),
        ("gce", {"q": 0}, "'q'.*found 0; expected a number above 0, up to 1"),
        ("gce+dice", {"q": 1.5}, "'q'"),
        ("dice+cldice", {"share": 2}, "'share'"),
        ("ce", {"num_classes": 1}, "two classes or more; found 1"),
        ("ce", {"class_weights": [1, 2]}, "does not use class weights. To mend it: .*weighted-ce"),
        ("weighted-ce", {}, "needs class weights"),
        ("weighted-ce", {"class_weights": [1, 2, 3]}, "'class_weights'.*expected 2 numbers"),
        ("weighted-ce", {"class_weights": [1, -1]}, "'class_weights'"),
        ("weighted-ce", {"class_weights": [0, 0]}, "not all of them 0"),
        ("focal", {"class_weights": [1, float("inf")]}, "'class_weights'"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UnetkitError, match=message) as caught:
        build_loss(name, **{"num_classes": 2, **given})
    assert caught.value.exit_code == 2


def test_spacing_has_to_fit_the_axes() -> None:
    batch = make_batch((2, 20, 24), 2)
    with pytest.raises(UsageError, match="expected 2 sizes for 2 axes"):
        build_loss("boundary", num_classes=2, spacing=(1.0, 1.0, 1.0))(*batch)
