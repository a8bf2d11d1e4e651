"""How are models of Stable-Baselines3's algorithms kept, and read without running code?"""

import io
import json
import pathlib
import pkgutil
import zipfile
from typing import Any

import torch
from gymnasium import Space
from gymnasium.spaces.utils import flatdim
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.save_util import load_from_zip_file

from agents.base.files import Path
from agents.sb3.algorithms import ALGORITHMS
from agents.sb3.archive import HEADER_NAME, check_members, check_tensors, damage, write_file
from agents.sb3.spaces import describe_space, make_space
from ram_env.arguments import one_of_names

FORMAT = "sb3-policy"
FORMAT_VERSION = 2
MAX_LAYERS = 32
MAX_LAYER_SIZE = 2**25  # weights
# What arguments of a policy may name, in files and on the command line: where each of them is.
CLASSES = {
    "activation_fn": {name: f"torch.nn:{name}" for name in ("ReLU", "Tanh", "ELU")},
    "features_extractor_class": {"GlimpseEncoder": "agents.policies:GlimpseEncoder"},
}


def algorithm_class(algo: str) -> type[BaseAlgorithm]:
    """Return the class of an algorithm of `agents.sb3.algorithms.ALGORITHMS`."""
    found: type[BaseAlgorithm] = pkgutil.resolve_name(ALGORITHMS[algo].home)
    return found


def constructor_arguments(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of an algorithm, as JSON has them, as its constructor takes them.

    A `learning_rate` such as `"lin_0.001"` falls from that to 0 over the budget; classes in
    `policy_kwargs` are names. Raises ValueError if one of these is none.
    """
    arguments = policy_arguments(settings)
    rate = settings.get("learning_rate")
    if isinstance(rate, str):
        try:
            start = float(rate.removeprefix("lin_"))
        except ValueError:
            start = float("nan")
        if not rate.startswith("lin_") or not 0.0 < start < float("inf"):
            raise ValueError(
                f"`learning_rate` must be a positive number, or lin_NUMBER, got {rate!r}."
            )
        # A last rollout may go beyond the budget.
        arguments["learning_rate"] = lambda remaining: start * max(remaining, 0.0)
    return arguments


def policy_arguments(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with names of classes, ValueError if unknown, made these classes."""
    kwargs = settings.get("policy_kwargs", {})
    if not isinstance(kwargs, dict):
        raise ValueError(f"`policy_kwargs` must be a dict, got {kwargs!r}.")
    named = {name: kwargs[name] for name in CLASSES if name in kwargs}
    for argument, name in named.items():
        home = CLASSES[argument][one_of_names(argument, name, CLASSES[argument])]
        kwargs = kwargs | {argument: pkgutil.resolve_name(home)}
    return settings | ({"policy_kwargs": kwargs} if named else {})


def save_algorithm(path: Path, algo: str, settings: dict[str, Any], model: BaseAlgorithm) -> None:
    """Save a model by Stable-Baselines3's own `save`, and beside it what the policy is made of.

    Of the settings of the algorithm, as JSON has them, `policy_kwargs` and `use_sde` matter.
    """
    header = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "algo": algo,
        "policy_kwargs": settings.get("policy_kwargs", {}),
        "use_sde": settings.get("use_sde", False),
        "observation_space": describe_space(model.observation_space),
        "action_space": describe_space(model.action_space),
    }
    content = io.BytesIO()
    model.save(content)
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr(HEADER_NAME, json.dumps(header, indent=2))
    write_file(path, lambda file: file.write(content.getvalue()))


def load_policy(path: Path) -> BasePolicy:
    """Load the policy of a model that `save_algorithm` wrote, to the CPU; it predicts as it did.

    Only its weights are read, which unpickles nothing; `PPO.load` and the like read the rest.

    Raises:
        ValueError: If the file is damaged or holds something else.
        FileNotFoundError: If there is none.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                check_members(archive)
                header = json.loads(archive.read(HEADER_NAME))
                for name in archive.namelist():
                    if name.endswith(".pth"):  # Stable-Baselines3 reads all, not the policy alone
                        with archive.open(name) as part, zipfile.ZipFile(part) as inner:
                            check_members(inner)
            if (header["format"], header["version"]) != (FORMAT, FORMAT_VERSION):
                raise ValueError(f"it is a {header['format']} file of version {header['version']}")
            policy = _make_policy(header)
            _, parameters, _ = load_from_zip_file(file, load_data=False, device="cpu")
            weights: Any = parameters["policy"]
            check_tensors(weights, policy.state_dict(), {})
            policy.load_state_dict(weights)
        except Exception as error:  # a damaged file makes the libraries raise nearly anything
            raise damage(path, FORMAT, error) from error
    return policy


def load_model(path: pathlib.Path, algo: str) -> Any:
    """Load a trained model of a run to predict with: RAM, or the policy of another algorithm.

    Raises:
        ValueError: If the file is damaged or holds something else.
        FileNotFoundError: If there is none.
    """
    if algo == "ram":
        return algorithm_class(algo).load(path, device="cpu")
    return load_policy(path)


def _make_policy(header: dict[str, Any]) -> BasePolicy:
    """Make the policy that a header describes, if it is not too large to be meant."""
    algo = header["algo"]
    kwargs = policy_arguments({"policy_kwargs": header["policy_kwargs"]})["policy_kwargs"]
    kwargs = kwargs | {"use_sde": header.get("use_sde", False)}  # files without are older
    spaces = [make_space(header[name]) for name in ("observation_space", "action_space")]
    check_size(header["policy_kwargs"], *spaces)
    aliases: dict[str, type[BasePolicy]] = algorithm_class(algo).policy_aliases
    make = aliases[ALGORITHMS[algo].policy]
    try:
        with torch.no_grad():  # else what `use_sde` draws could not be copied
            return make(*spaces, lambda _: 0.0, **kwargs)  # 0: the learning rate, it only predicts
    except (AssertionError, AttributeError, IndexError) as error:
        raise ValueError(f"{algo} has no policy of {kwargs} for {spaces}") from error


def check_size(policy_kwargs: Any, *spaces: Space[Any]) -> None:
    """Raise ValueError if a policy has more layers, or larger ones, than a file may ask for.

    That is to say if it is too large to be meant: a file of it could not be loaded.
    """
    widths = [flatdim(space) for space in spaces] + _widths(policy_kwargs)
    largest, next_largest = sorted(widths)[:-3:-1]
    if len(widths) > MAX_LAYERS or largest * next_largest > MAX_LAYER_SIZE:
        raise ValueError(
            f"layers of {widths} numbers are too many or too large for a policy: at most "
            f"{MAX_LAYERS}, and {MAX_LAYER_SIZE:,} weights between two. Choose a smaller "
            "`net_arch`, or observations of fewer numbers."
        )


def _widths(content: Any) -> list[int]:
    """Return all whole numbers in JSON content: in arguments of a policy, the widths of layers."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return [width for part in content for width in _widths(part)]
    return [content] if isinstance(content, int) else []
