"""Every runtime gives what torch gives, keeps its copies, and says clearly what it cannot do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from unetkit.errors import FileError, MissingExtra, UnetkitError, UnknownName, UsageError
from unetkit.models import Segmenter, build_model
from unetkit.prediction.fold import folded
from unetkit.runtimes import PRECISIONS, RUNTIMES, Network, first_usable, network, open_network, usable
from unetkit.runtimes.parity import TOLERANCE
from unetkit.runtimes.quantise import quantised

CPU = torch.device("cpu")
COPIED = [name for name in RUNTIMES if name != "torch"]

MEMBERS: dict[str, tuple[str, int, dict[str, int]]] = {
    "unet": ("unet", 2, {"depth": 2, "width": 4}),
    "attention-unet": ("attention-unet", 2, {"depth": 2, "width": 4}),
    "volume": ("unet", 3, {"depth": 1, "width": 4}),
}


def trained(name: str, dims: int, options: dict[str, int]) -> Segmenter:
    """A network whose BatchNorm has seen something."""
    torch.manual_seed(0)
    model = build_model(name, in_channels=2, num_classes=3, spatial_dims=dims, **options).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.3)  # type: ignore[union-attr, operator]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr, operator]
    return folded(model)


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Network]:
    """A member of the family, its ONNX copy made."""
    made: dict[str, Network] = {}

    def member(name: str) -> Network:
        if name not in made:
            made[name] = Network(trained(*MEMBERS[name]), CPU, store=tmp_path_factory.mktemp("store"))
            assert made[name].onnx
        return made[name]

    return member


def noise(dims: int, *sizes: int) -> torch.Tensor:
    return torch.randn((1, 2, *sizes[:dims]), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("runtime", COPIED)
def test_a_runtime_gives_what_torch_gives_at_any_size(
    copied: Callable[[str], Network], runtime: str, member: str
) -> None:
    own = copied(member)
    engine, reference = open_network(own, runtime), open_network(own, "torch")
    for sizes in [(1, 1, 1), (5, 9, 3), (16, 16, 16), (31, 70, 12), (16, 48, 20)]:
        pixels = noise(own.model.spatial_dims, *sizes)
        truth = reference(pixels)
        assert truth.shape == (1, 3, *pixels.shape[2:])
        assert float((engine(pixels) - truth).abs().max()) <= 1e-5 * float(truth.max() - truth.min())


@pytest.mark.parametrize("runtime", COPIED)
def test_pixels_may_lie_in_memory_as_they_like(copied: Callable[[str], Network], runtime: str) -> None:
    own, pixels = copied("unet"), noise(2, 24, 17)
    turned = pixels.transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(open_network(own, runtime)(turned), open_network(own, runtime)(pixels))


def test_a_copy_is_made_once(copied: Callable[[str], Network], monkeypatch: pytest.MonkeyPatch) -> None:
    made = copied("unet")
    monkeypatch.setattr(network, "converted", lambda model: pytest.fail("converted again"))
    again = Network(trained(*MEMBERS["unet"]), CPU, store=made.store)
    assert again.onnx == made.copy.read_bytes()


def test_other_weights_have_another_copy(copied: Callable[[str], Network]) -> None:
    made = copied("unet")
    other = trained(*MEMBERS["unet"])
    assert Network(other, CPU, store=made.store).copy == made.copy
    with torch.no_grad():
        next(other.parameters())[0] += 1e-3
    assert Network(other, CPU, store=made.store).copy != made.copy


def test_without_a_place_for_copies_they_are_made_all_the_same(
    copied: Callable[[str], Network], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = copied("unet")
    monkeypatch.setattr(network, "converted", lambda model: made.onnx)
    (tmp_path / "file").write_text("no folder")
    for store in (None, tmp_path / "file" / "runtimes"):
        assert Network(made.model, CPU, store=store).onnx == made.onnx


@pytest.mark.parametrize("runtime", COPIED)
def test_a_damaged_copy_is_named(copied: Callable[[str], Network], tmp_path: Path, runtime: str) -> None:
    broken = replace(copied("unet"), store=tmp_path)
    broken.copy.write_bytes(copied("unet").onnx[:300])
    with pytest.raises(UnetkitError, match=rf"{broken.copy.name}: .*cannot be opened.*delete it"):
        open_network(broken, runtime)


@pytest.mark.parametrize("runtime", COPIED)
def test_a_copy_of_another_network_is_refused(copied: Callable[[str], Network], tmp_path: Path, runtime: str) -> None:
    other = trained(*MEMBERS["unet"])
    with torch.no_grad():
        other.heads[0].bias[0] += 1
    wrong = Network(other, CPU, store=tmp_path)
    wrong.copy.write_bytes(copied("unet").onnx)
    with pytest.raises(UnetkitError, match=f"on {runtime} this network gives other results.*--runtime torch"):
        open_network(wrong, runtime)
    assert TOLERANCE < 1e-3


@pytest.mark.parametrize("runtime", COPIED)
def test_eight_bits_are_near(copied: Callable[[str], Network], runtime: str) -> None:
    own = copied("unet")
    small = replace(own, precision="int8")
    small.copy.write_bytes(quantised(own.onnx, [noise(2, 64, 64).numpy() for _ in range(4)]))
    assert len(small.onnx) < len(own.onnx)
    pixels = noise(2, 61, 66)
    truth, engine = open_network(own, "torch")(pixels), open_network(small, runtime)
    difference = (engine(pixels) - truth).abs()
    assert 0 < float(difference.mean()) < 0.03 * float(truth.max() - truth.min())


def test_what_was_not_quantised_cannot_be_run_in_eight_bits(tmp_path: Path) -> None:
    own = Network(trained(*MEMBERS["unet"]), CPU, "int8", store=tmp_path)
    with pytest.raises(FileError, match=r"were not quantised.*unetkit quantize RUN"):
        open_network(own, "openvino")


@pytest.mark.parametrize(
    ("runtime", "precision", "told"),
    [
        (
            "torch",
            "int8",
            r"torch does not predict in int8 on cpu; expected float32.*--runtime onnxruntime or",
        ),
        ("openvino", "bfloat16", "openvino does not predict in bfloat16 on cpu; expected float32, int8"),
    ],
)
def test_what_a_runtime_cannot_do_is_said(runtime: str, precision: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        open_network(Network(trained(*MEMBERS["unet"]), CPU, precision), runtime)


def test_unknown_names_and_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Network(trained(*MEMBERS["unet"]), CPU)
    with pytest.raises(UnknownName, match="'openvino'"):
        open_network(own, "openvinno")
    with pytest.raises(UsageError, match=r"nothing predicts in int8 on cuda.*--device cpu"):
        first_usable("cuda", "int8")
    with pytest.raises(UsageError, match=r"nothing predicts in float16 on cpu.*--device cuda"):
        first_usable("cpu", "float16")
    monkeypatch.setattr("unetkit.runtimes.find_spec", lambda name: None)
    assert usable("cpu", "float32") == ["torch"]
    with pytest.raises(MissingExtra, match=r"onnx is not installed.*unetkit\[onnx\]"):
        first_usable("cpu", "int8")


def test_every_runtime_states_known_precisions_and_its_extra() -> None:
    for name, runtime in RUNTIMES.items():
        assert "float32" in runtime.precisions["cpu"]
        assert {one for some in runtime.precisions.values() for one in some} <= set(PRECISIONS)
        assert (runtime.extra is None) == (runtime.packages == ()) == (name == "torch")


def test_half_precision_is_near() -> None:
    """As on a GPU, where sums stay in single precision."""
    own = Network(trained(*MEMBERS["unet"]), CPU)
    pixels = noise(2, 40, 44)
    truth = RUNTIMES["torch"].open(own)(pixels)
    half = RUNTIMES["torch"].open(replace(own, precision="bfloat16"))(pixels)
    assert half.dtype == torch.float32
    difference = np.abs(half.numpy() - truth.numpy()).max() / np.ptp(truth.numpy())
    assert 0 < difference < 0.05


@pytest.mark.parametrize("fault", [RuntimeError(), RuntimeError("no such instruction")])
def test_an_engine_that_opens_and_then_fails_is_one_error(
    copied: Callable[[str], Network], monkeypatch: pytest.MonkeyPatch, fault: RuntimeError
) -> None:
    def failing(pixels: torch.Tensor) -> torch.Tensor:
        raise fault

    monkeypatch.setitem(RUNTIMES, "openvino", replace(RUNTIMES["openvino"], open=lambda network: failing))
    with pytest.raises(UnetkitError, match=r"cannot be opened by openvino; found (RuntimeError|no such instruction)"):
        open_network(copied("unet"), "openvino")
