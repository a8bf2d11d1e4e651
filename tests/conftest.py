"""What all tests share: hypothesis draws the same examples on every run, unless it fuzzes."""

import pytest
from fuzzing import NUM_EXAMPLES
from helpers import save_images
from hypothesis import HealthCheck, settings

# The time of one example says nothing about its correctness.
settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "fuzz",
    max_examples=NUM_EXAMPLES or 1,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("fuzz" if NUM_EXAMPLES else "reproducible")


@pytest.fixture(scope="session")
def small_images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An .npz file of 60 images of 9x7 pixels in 3 classes: neither square nor ten."""
    return save_images(tmp_path_factory.mktemp("small") / "images.npz", 60, (9, 7), 3)
