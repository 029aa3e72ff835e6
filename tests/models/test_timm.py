"""The U-Net on timm's encoders. What needs timm is skipped, and says so, where timm does not load.

`make test-timm PYTHON=…` runs these in an environment that has timm, and fails where it does not load.
"""

from __future__ import annotations

import os
import subprocess
import sys
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from unetkit.errors import FileError, MissingExtra, UnknownName, UsageError
from unetkit.image import Image
from unetkit.models import Segmenter, build_model, count_parameters, multiply_adds
from unetkit.models.unet_timm import TimmEncoder, load_timm
from unetkit.pipeline import Options, load_predictor, train
from unetkit.pipeline.preparation import prepare

TINY = "test_efficientnet"


def reason_to_skip() -> str:
    try:
        load_timm()
    except MissingExtra as error:
        return "" if os.environ.get("UNETKIT_REQUIRE_TIMM") else str(error)
    return ""


needs_timm = pytest.mark.skipif(bool(reason := reason_to_skip()), reason=reason)


def model(encoder: str = TINY, **options: Any) -> Segmenter:
    torch.manual_seed(0)
    given = {"in_channels": 1, "num_classes": 2, "width": 4, "fine_width": 4} | options
    return build_model("unet-timm", encoder=encoder, **given)


def weights_of(encoder: str, path: Path, *, wrapped: bool = False) -> dict[str, torch.Tensor]:
    """Weights of a timm encoder for RGB, classifier included, none of them zero; written to `path`."""
    torch.manual_seed(1)
    network = load_timm().create_model(encoder)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    weights: dict[str, torch.Tensor] = network.state_dict()
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save({"epoch": 3, "state_dict": weights} if wrapped else weights, path)
    return weights


def test_importing_the_models_does_not_import_timm() -> None:
    code = "import sys, unetkit.models, unetkit.cli; sys.exit('timm' in sys.modules or 'torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_timm_one_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtra, match=r"timm is not installed\. To mend it: pip install 'unetkit\[timm\]'"):
        model()


@pytest.mark.parametrize("raised", ["RuntimeError('operator torchvision::nms does not exist')", "OSError('libcudart')"])
def test_a_timm_that_does_not_load_is_the_same_error_with_its_cause(
    raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "timm.py").write_text(f"raise {raised}\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra, match=r"does not load; found .*'unetkit\[timm\]'"):
        model()


@pytest.mark.parametrize(
    "options", [{"pretrained": True}, {"weights": "some.safetensors"}, {"fine_width": 0}, {"spatial_dims": 3}]
)
def test_impossible_options_are_usage_errors(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        model(**options)
    assert caught.value.found is not None


@needs_timm
@pytest.mark.parametrize("options", [{"width": 0}, {"width": 8, "max_width": 4}, {"up": "cubic"}])
def test_impossible_widths_and_ways_up_are_usage_errors(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        model(**options)


@needs_timm
@pytest.mark.parametrize(
    ("encoder", "fine", "channels"),
    [
        ("resnet18", [4], (64, 64, 128, 256, 512)),  # begins at stride 2
        ("convnext_atto", [4, 8], (40, 80, 160, 320)),  # at 4
        ("darknet17", [], (32, 64, 128, 256, 512, 1024)),  # at 1
    ],
)
def test_strides_that_an_encoder_lacks_are_added(encoder: str, fine: list[int], channels: tuple[int, ...]) -> None:
    network = model(encoder, in_channels=2, deep_supervision=True)
    assert network.encoder.out_channels == (*fine, *channels)
    assert network.grid == 2 ** (len(fine) + len(channels) - 1)
    x = torch.rand(2, 2, 37, 70)
    features = network.encoder(network.pad(x))
    assert [feature.shape[2] for feature in features] == [64 // 2**level for level in range(len(features))]
    for size in [(1, 1), (1, 7), (33, 65)]:
        for alone in (True, False):
            assert network.train(alone)(torch.rand(1, 2, *size)).shape == (1, 2, *size)
    sum(level.square().mean() for level in network.train().forward_levels(x)).backward()  # type: ignore[union-attr]
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
    assert (network.receptive_field, network.exact_tiles) == (None, False)


@needs_timm
@pytest.mark.parametrize(
    ("encoder", "parameters", "multiplications", "classifier"),
    [("resnet18", 11.69, 1.82, 512 * 1000 + 1000), ("convnext_atto", 3.70, 0.55, 320 * 1000 + 1000 + 2 * 320)],
)
def test_cost_is_that_published(encoder: str, parameters: float, multiplications: float, classifier: int) -> None:
    # timm's results/benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv: millions, and 10⁹ for 224 × 224 pixels
    body = TimmEncoder(encoder, 3, fine_width=4, weights=None).body
    assert count_parameters(body) / 1e6 == pytest.approx(parameters - classifier / 1e6, abs=0.005)
    assert multiply_adds(body, (1, 3, 224, 224)) / 1e9 == pytest.approx(multiplications, abs=0.01)


@needs_timm
@pytest.mark.parametrize(
    ("encoder", "channels"),
    [
        *product((TINY, "resnet18", "convnext_atto", "pvt_v2_b0"), (1, 3, 5)),
        ("xception41", 3),  # timm wraps these two in other ways
        ("cspnext_m", 3),
    ],
)
def test_pretrained_weights_arrive_where_timm_puts_them(encoder: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    stored = weights_of(encoder, path)
    ours = model(encoder, in_channels=channels, pretrained=True, weights=str(path)).eval()
    theirs = load_timm().create_model(
        encoder,
        pretrained=True,
        pretrained_cfg_overlay={"state_dict": dict(stored)},
        features_only=True,
        in_chans=channels,
    )
    x = torch.rand(2, channels, 64, 96)
    with torch.no_grad():
        got, expected = ours.encoder.pretrained_part(x), theirs.eval()(x)  # type: ignore[misc]
        assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))
        assert torch.equal(deepcopy(ours)(x), ours(x))


@needs_timm
@pytest.mark.parametrize("name", ["model.pth", "wrapped.pth", "model.safetensors"])
def test_every_kind_of_file_gives_the_same_weights(name: str, tmp_path: Path) -> None:
    stored = weights_of(TINY, tmp_path / name, wrapped=name.startswith("wrapped"))
    body = model(pretrained=True, in_channels=3, weights=str(tmp_path / name)).encoder.pretrained_part
    assert body is not None
    assert all(torch.equal(value, stored[key]) for key, value in body.state_dict().items())


@needs_timm
def test_weights_of_another_network_are_one_clear_error(tmp_path: Path) -> None:
    for other, complaint in (
        ("resnet34", r"resnet34\.pth: are weights of another network; found layer layer1\.2\.conv1\.weight"),
        ("resnet50", r"resnet50\.pth: .*another network; found layer layer1\.0\.conv3\.weight"),
    ):
        path = tmp_path / f"{other}.pth"
        weights_of(other, path)
        with pytest.raises(FileError, match=complaint):
            model("resnet18", pretrained=True, weights=str(path))


@needs_timm
def test_a_layer_of_another_shape_or_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    stored = weights_of("resnet18", path)
    torch.save({**stored, "layer2.0.conv1.weight": torch.zeros(128, 64, 5, 5)}, path)
    shape = r"model\.pth: .*layer layer2\.0\.conv1\.weight; found \(128, 64, 5, 5\); expected \(128, 64, 3, 3\)"
    with pytest.raises(FileError, match=shape):
        model("resnet18", pretrained=True, weights=str(path))
    torch.save({key: value for key, value in stored.items() if key != "bn1.running_var"}, path)
    with pytest.raises(FileError, match=r"layer bn1\.running_var; found nothing; expected \(64,\)"):
        model("resnet18", pretrained=True, weights=str(path))
    torch.save({key: value for key, value in stored.items() if not key.endswith("num_batches_tracked")}, path)
    model("resnet18", pretrained=True, weights=str(path))


@needs_timm
@pytest.mark.parametrize(
    ("name", "content"),
    [("model.pth", b""), ("model.pth", b"PK\x03\x04broken"), ("model.safetensors", b"\x08"), ("absent.pth", None)],
)
def test_damaged_files_are_one_clear_error(name: str, content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=rf"{name}: cannot be read as weights"):
        model(pretrained=True, weights=str(tmp_path / name))


@needs_timm
def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    torch.save({"a": Path}, tmp_path / "model.pth")
    with pytest.raises(FileError, match="cannot be read as weights"):
        model(pretrained=True, weights=str(tmp_path / "model.pth"))
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(FileError, match="holds no weights; found list"):
        model(pretrained=True, weights=str(tmp_path / "list.pth"))


@needs_timm
@pytest.mark.parametrize(("name", "near"), [("resnet19", "'resnet18'"), ("resnet18.a1_in1k", "'resnet18'")])
def test_unknown_encoders_list_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownName, match=f"no encoder called '{name}'.*{near}"):
        model(name)


@needs_timm
@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp"])
def test_names_that_would_fetch_something_are_refused(name: str) -> None:
    with pytest.raises(UnknownName):
        model(name)


@needs_timm
@pytest.mark.parametrize(
    ("encoder", "complaint"),
    [
        ("vit_tiny_patch16_224", "224"),
        ("test_vit", "strides 16, 16, 16"),
        ("swin_tiny_patch4_window7_224", "224"),
        ("inception_v3", "Kernel size"),  # unpadded
        ("mambaout_femto", "features"),  # channels last
        ("test_maxvit", "divisible"),
    ],
)
def test_encoders_of_one_size_or_without_a_pyramid_are_refused(encoder: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=f"timm's {encoder} cannot be an encoder here; found .*{complaint}"):
        model(encoder)


@needs_timm
def test_it_works_in_bfloat16_and_with_channels_last() -> None:
    network = model(in_channels=3).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        plain = network(x)
        torch.testing.assert_close(network(x.contiguous(memory_format=torch.channels_last)), plain)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(network(x).float(), plain, rtol=0.1, atol=0.1)


@needs_timm
def test_it_trains_with_the_encoder_held_and_predicts_without_the_weights_file(discs: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    weights_of(TINY, path)
    settings = (
        f"model.encoder={TINY}",
        "model.width=4",
        "model.pretrained=true",
        f"model.weights={path}",
        "training.freeze=0.5",
        "training.patch=[32, 32]",
        "training.precision=float32",
    )
    options = Options(steps=4, model="unet-timm", device="cpu", settings=settings)
    run = train(discs, options, out=tmp_path / "run")
    path.unlink()
    image = Image(torch.rand(1, 40, 50).numpy())
    assert load_predictor(run.path, device="cpu").labels(image).shape == (40, 50)
    with pytest.raises(FileError, match=r"model\.safetensors"):  # before there is a run
        prepare(discs, options)


@needs_timm
def test_a_plan_without_weights_is_built_for_nothing(discs: Path) -> None:
    prepared = prepare(discs, Options(steps=2, model="unet-timm", device="cpu", settings=("model.encoder=resnet18",)))
    assert prepared.plan.model.options["encoder"] == "resnet18"
