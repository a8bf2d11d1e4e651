"""What all tests share: hypothesis draws the same examples on every run."""

import pytest
from helpers import save_images
from hypothesis import settings

# The time of one example says nothing about its correctness.
settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.load_profile("reproducible")


@pytest.fixture(scope="session")
def small_images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An .npz file of 60 images of 9x7 pixels in 3 classes: neither square nor ten."""
    return save_images(tmp_path_factory.mktemp("small") / "images.npz", 60, (9, 7), 3)
