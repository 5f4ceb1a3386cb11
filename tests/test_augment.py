"""What training makes of the same cell: nothing that another microscope could not have shown."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")

from models.training import augment  # noqa: E402
from models.training.schedule import generator  # noqa: E402


def test_a_neighbour_leaves_the_middle_of_the_picture_alone() -> None:
    pictures = torch.full((64, 3, 96, 96), 220.0)
    pictures[:, :, 28:68, 28:68] = 60.0
    crowded = augment.crowded(pictures, generator(1, 0))
    assert torch.equal(crowded[:, :, 36:60, 36:60], pictures[:, :, 36:60, 36:60])
    changed = (crowded != pictures).flatten(1).any(dim=1).float().mean()
    assert 0.25 < float(changed) < 0.75
    assert bool((crowded <= pictures).all())


def test_mixed_images_say_how_much_of_each_they_are() -> None:
    images = torch.arange(64.0)[:, None, None, None].expand(64, 3, 4, 4)
    mixed, own, other = augment.mixed(images, 0.5, generator(1, 0))
    expected = own * torch.arange(64.0) + (1 - own) * other
    assert torch.allclose(mixed[:, 0, 0, 0], expected, atol=1e-4)
    assert 0.6 <= float(own.min()) < 0.9
    assert 0.25 < float((own < 1).float().mean()) < 0.75


def test_augmented_views_never_show_what_lies_outside_the_crop() -> None:
    crops = torch.full((64, 3, 106, 106), 100.0)
    views = augment.moved(crops, 96, generator(1, 0))
    assert views.shape == (64, 3, 96, 96)
    assert torch.allclose(views, torch.full_like(views, 100.0), atol=1e-3)


def test_half_of_the_views_are_not_rescaled_and_keep_every_pixel() -> None:
    picture = torch.arange(106 * 106, dtype=torch.float32).reshape(1, 1, 106, 106).repeat(64, 3, 1, 1)
    views = augment.moved(picture, 96, generator(1, 0))
    sharp = [bool(torch.allclose(view, view.round(), atol=2e-2)) for view in views]
    assert 16 <= sum(sharp) <= 48


def test_recolouring_and_degrading_stay_within_light() -> None:
    images = torch.rand(16, 3, 32, 32) * 255
    result = augment.degraded(augment.recoloured(images, generator(1, 0)), generator(1, 1))
    assert result.shape == images.shape
    assert float(result.min()) >= 0
    assert float(result.max()) <= 255
    assert not torch.allclose(result, images, atol=5)


def test_some_pictures_are_sharpened_and_some_blurred() -> None:
    edges = torch.full((64, 3, 32, 32), 80.0)
    edges[..., 16:] = 160.0
    seen = augment.degraded(edges, generator(1, 0)).mean(dim=(1, 2))  # noise averages out along the edge
    darkest, brightest = seen.amin(dim=1), seen.amax(dim=1)
    sharpened = (brightest - darkest > 90).float().mean()  # light beside the edge overshoots
    steepest = seen.diff(dim=1).amax(dim=1)
    assert 0.1 < float(sharpened) < 0.5
    assert 0.15 < float((steepest < 60).float().mean()) < 0.6


def test_colours_are_mixed_and_some_are_lost() -> None:
    images = torch.rand(128, 3, 8, 8, generator=generator(1, 0)) * 200 + 30
    seen = augment.recoloured(images, generator(1, 1))

    def spread(pictures: torch.Tensor) -> torch.Tensor:
        return pictures.std(dim=1).mean(dim=(1, 2))

    share = spread(seen) / spread(images)
    assert 0.03 < float((share < 0.3).float().mean()) < 0.5
    assert float((share > 0.7).float().mean()) > 0.3
