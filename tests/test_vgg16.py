"""The published classifier has the published layout, colours and initialisation."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ModelRefused

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'hemadiff[train]'")

from models.training import vgg16  # noqa: E402  # after the skip: it imports PyTorch


@pytest.fixture(scope="module")
def network() -> vgg16.Vgg16:
    torch.manual_seed(1)
    network = vgg16.Vgg16(10)
    network.eval()
    return network


def test_it_has_the_sixteen_weight_layers_of_configuration_d(network: vgg16.Vgg16) -> None:
    convolutions = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    dense = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]

    assert [layer.out_channels for layer in convolutions] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert all(layer.kernel_size == (3, 3) for layer in convolutions)
    assert [layer.out_features for layer in dense] == [4096, 4096, 10]


def test_every_hidden_layer_is_normalised_and_the_dense_ones_drop_out(network: vgg16.Vgg16) -> None:
    kinds = [type(layer).__name__ for layer in network.modules()]

    assert kinds.count("BatchNorm2d") == 13
    assert kinds.count("BatchNorm1d") == 2
    assert kinds.count("Dropout") == 2


def test_weights_start_with_the_variance_of_msra(network: vgg16.Vgg16) -> None:
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.in_channels >= 64:
            fan_in = layer.in_channels * 9
            assert layer.weight.var().item() == pytest.approx(2 / fan_in, rel=0.05)


def test_a_cell_gets_the_same_answer_alone_as_in_a_batch(network: vgg16.Vgg16) -> None:
    rng = np.random.default_rng(2)
    patches = [rng.integers(0, 256, (96, 96, 3), dtype=np.uint8) for _ in range(2)]
    batch = torch.from_numpy(np.stack([vgg16.to_yuv(patch) for patch in patches]))

    with torch.inference_mode():
        together, alone = network(batch), network(batch[:1])

    assert together.shape == (2, 10)
    assert torch.allclose(together[:1], alone, atol=1e-4)


def test_grey_has_no_colour_in_yuv() -> None:
    white = vgg16.to_yuv(np.full((96, 96, 3), 255, dtype=np.uint8))

    assert white.shape == (3, 96, 96)
    assert white[0].mean() == pytest.approx(0.5)
    assert np.abs(white[1:]).max() < 0.01


def test_a_patch_of_another_size_is_refused() -> None:
    with pytest.raises(ModelRefused, match="96×96×3"):
        vgg16.to_yuv(np.zeros((64, 96, 3), dtype=np.uint8))


def test_a_classifier_of_one_label_is_refused() -> None:
    with pytest.raises(ModelRefused, match="at least two"):
        vgg16.Vgg16(1)


def test_it_keeps_the_classifiers_contract_and_sees_what_opencv_calls_yuv() -> None:
    patches = np.random.default_rng(3).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    torch.manual_seed(1)
    cells = vgg16.Vgg16Cells(14).eval()
    with torch.no_grad():
        whole = cells(torch.from_numpy(patches))
        inside = cells.network(torch.from_numpy(np.stack([vgg16.to_yuv(patch) for patch in patches])))
    assert whole.shape == (2, 14)
    assert torch.allclose(whole, inside, atol=0.05)


def test_a_training_step_makes_it_better_at_what_it_saw() -> None:
    from models.training.schedule import Trainee, Training

    torch.manual_seed(1)
    trainee = Trainee(vgg16.Vgg16Cells(3), Training(1, 1, rate=1e-4, weight_decay=0.0, steps_per_epoch=3))
    images, labels = torch.rand(3, 3, 96, 96) * 255, torch.tensor([0, 1, 2])

    def loss() -> torch.Tensor:
        torch.manual_seed(2)  # the same units drop out
        return torch.nn.functional.cross_entropy(trainee.network.logits(images), labels)

    before = loss()
    trainee.learn(before)
    with torch.no_grad():
        assert loss() < before
