"""What published results rest on and no tidying may move: whole episodes, and how RAM learns."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from helpers import FORMATS, IDS, save_images

EPISODES = {
    ("GlimpseMNIST-v0", "box"): "04b6991878bcc53cddbb67b348ec13e5d06a290f6b59f0956be9217cb95dba4d",
    (
        "GlimpseMNIST-v0",
        "multidiscrete",
    ): "a304998a449c4954f664b13dc4e0df3adced3552f76d8903ca00d6d1d6f52d4a",
    ("GlimpseMNIST-v0", "dict"): "9ceed3f82eadaeb861a063aacedef76eadd09afe1ef46ecc280caea1dcfe9fa8",
    (
        "GlimpseTranslatedMNIST-v0",
        "box",
    ): "96eca3f5edf0f2b7b2fa7148905906997a4b8339aa64fb9cbbe7ec80e55c7fbe",
    (
        "GlimpseTranslatedMNIST-v0",
        "multidiscrete",
    ): "c6b1053d5eacb7f3e6caa632c686049630d7aefc3b0a611a2bc60edb7893ed5a",
    (
        "GlimpseTranslatedMNIST-v0",
        "dict",
    ): "6c9356f488420b1c935da96dbdca2a0371ef2815f4e6dc6f920b8c69253cba98",
    (
        "GlimpseClutteredMNIST-v0",
        "box",
    ): "402938bb6bde89f96a4281743fc869ffbb32896576b19e7206854686908d95e1",
    (
        "GlimpseClutteredMNIST-v0",
        "multidiscrete",
    ): "3fd4ef4af3f87fc32cbb4b0e81f6792a37e4552cc778ebc2b7485c5c9bc748a8",
    (
        "GlimpseClutteredMNIST-v0",
        "dict",
    ): "73dad51d9ee5f42d02d1a8a92df56c147589518c6c6b1f61589684e09fe61179",
    (
        "GlimpseClutteredMNIST100-v0",
        "box",
    ): "c484ebda354fccc18b17898d1775119b424703602abfffaed7d0b093a3063e98",
    (
        "GlimpseClutteredMNIST100-v0",
        "multidiscrete",
    ): "8b3075bb52867a20eef5fe189ba47b17fa63ae57b7ed7af4e1be1bb831ef06fd",
    (
        "GlimpseClutteredMNIST100-v0",
        "dict",
    ): "8c0251a9ba298fdb5ffc32dee018efdd4cde2e6307c3107a2dc46b2bf7dd6713",
}
WEIGHTS = {
    "default": "f44df0a66fe7cefe2c142349d66d4abeafa0bbfa7ccaa3d0a0495f31cd88b8bc",
    "paper": "19e8627ce4d6b83c9e2b349fe669f554982c7038b0ef951705dbc00884adf4ca",
    "pure": "6d6419e82541fcbf4f76d938dd8c88a2a3d4d4d0e4ae83e5cba8ca13b0780c25",
}

# The code that every processor has, so that sums are rounded alike on all of them.
PLAIN_ARITHMETIC = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OMP_NUM_THREADS": "1",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
}
LEARN = """
import hashlib, sys
import torch
from agents import RAM, make_vec_env
preset, images = sys.argv[1:]
torch.set_num_threads(1)
reward, settings = {}, {"batch_size": 16, "precision": "float32"}
if preset == "pure":  # as it was when its answers were actions
    reward = {"reward": "every_step"}
    settings |= {"answer_loss": "policy_gradient", "gaze_reward": "env", "discount": 1.0}
    settings |= {"classify_every_step": False, "policy_coef": 1.0, "entropy_coef": 0.01}
    settings |= {"location_std": 0.3, "final_location_std": 0.07}
    settings |= {"learning_rate": 3e-3, "adam_beta2": 0.999}
env = make_vec_env("GlimpseClutteredMNIST-v0", 16, dataset=images, **reward)
model = RAM("RAMPolicy", env, preset=preset, seed=3, device="cpu", **settings)
model.learn(2 * 16 * 8)
assert model._n_updates == 2
digest = hashlib.sha256()
for value in model.policy.state_dict().values():
    digest.update(value.numpy().tobytes())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An .npz file of images like MNIST's in size and classes, made by whole-number arithmetic."""
    return save_images(tmp_path_factory.mktemp("images") / "images.npz", 1_000, (28, 28), 10)


def fixed_actions(space: Any, num_envs: int, step: int) -> Any:
    """Return actions that no library draws: fixed shares of the space, a batch of them."""
    if isinstance(space, gym.spaces.Dict):
        parts = enumerate(sorted(space.spaces.items()))
        return {key: fixed_actions(part, num_envs, step + 7 * n) for n, (key, part) in parts}
    size = int(np.prod(space.shape, dtype=int))
    numbers = (np.arange(num_envs * size) * 2_654_435_761 + step * 40_503) >> 5
    shares = (numbers % 1_024).reshape(num_envs, *space.shape)
    if isinstance(space, gym.spaces.Box):
        return (shares / 480.0 - 1.05).astype(np.float32)  # some lie beyond the borders
    highest = space.nvec if isinstance(space, gym.spaces.MultiDiscrete) else space.n
    return shares % highest


def digest_of_episodes(env_id: str, action_format: str, images: str) -> str:
    """Return the SHA-256 of all that two rounds of episodes return."""
    digest = hashlib.sha256()

    def take(value: Any) -> None:
        if isinstance(value, dict):
            for key in sorted(value):
                digest.update(key.encode())
                take(value[key])
        elif isinstance(value, np.ndarray) and value.dtype == object:
            for part in value:
                take(part)
        else:
            digest.update(np.asarray(value).tobytes())

    for reward in ("final", "every_step"):
        settings: dict[str, Any] = {"reward": reward, "dataset": images}
        settings |= {"action_format": action_format, "distortion": 0.1}
        envs = gym.make_vec(env_id, 5, autoreset_mode="SameStep", **settings)
        observation, infos = envs.reset(seed=11)
        take({"observation": observation, "infos": infos})
        for step in range(2 * envs.unwrapped.task.num_glimpses):  # type: ignore[attr-defined]
            for part in envs.step(fixed_actions(envs.single_action_space, 5, step)):
                take(part)
    return digest.hexdigest()


@pytest.mark.parametrize("action_format", FORMATS)
@pytest.mark.parametrize("env_id", IDS)
def test_episodes_are_what_they_were(env_id: str, action_format: str, images: str) -> None:
    """Observations, rewards, ends and infos of whole episodes keep every bit."""
    assert digest_of_episodes(env_id, action_format, images) == EPISODES[env_id, action_format]


@pytest.mark.parametrize("preset", list(WEIGHTS))
def test_learning_is_what_it_was(preset: str, images: str) -> None:
    """Two gradient steps of each preset, in float32 on one thread, give the same weights."""
    done = subprocess.run(
        [sys.executable, "-c", LEARN, preset, images],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **PLAIN_ARITHMETIC},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == WEIGHTS[preset]
