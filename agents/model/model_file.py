"""How is a model of RAM saved and loaded? In one zip of JSON and tensors that cannot run code."""

import math
import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from agents.model.config import RAMConfig, replace_settings
from agents.model.networks import RAMNetworks
from agents.sb3.archive import check_tensors, load_archive, save_archive
from agents.sb3.spaces import describe_box, describe_space, make_space
from ram_env.arguments import number_between, positive_number, shown, whole_number
from ram_env.games.actions import SCORE_SCALE
from ram_env.games.record import TaskRecord
from ram_env.games.settings import HIGHEST_SCORE_SCALE

FORMAT = "ram-model"
FORMAT_VERSION = 2
SUCCESSES = "recent_successes"
OPTIMIZER = "policy.optimizer"  # what `get_parameters` calls it, and
LEFT_OUT = {"optimizer", OPTIMIZER}  # the names that `exclude` may give it
# What weights of a retinotopic gaze depend on its retina.
SHIFT, CONVOLUTIONS = "glimpse_network.shift", "glimpse_network.patterns.fine.weight"
PIXELS, WAYS = "glimpse_network.from_glimpse.weight", "glimpse_network.from_location.weight"
ACROSS = (PIXELS, WAYS)  # from there, not to there
OF_PIXELS = (PIXELS, "location_network.wish.weight", "location_network.wish.bias")
OF_SCALES = (
    *(SHIFT, "glimpse_network.scale", WAYS),
    *("location_network.question.weight", "location_network.question.bias"),
)
# What settings were called in version 1.
RENAMED = {
    "glimpse_hidden_size": "what_hidden_size",
    "location_hidden_size": "where_hidden_size",
    "gaze_hidden_size": "location_hidden_size",
}


def save_model(model: Any, path: Any, exclude: Iterable[str], include: Iterable[str]) -> None:
    """Save a model; see `RAM.save`."""
    for argument, names in (("exclude", {*exclude}), ("include", {*include})):
        if names - LEFT_OUT:
            raise ValueError(
                f"`{argument}` may name 'optimizer' alone, as a file holds the networks, the "
                f"settings and the counters in any case and nothing else, got {sorted(names)}."
            )
    header = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "config": model.config.to_dict(),
        "observation_space": describe_space(model.observation_space),
        "action_space": describe_space(model.action_space),
        "score_scale": model.policy.score_scale,
        "task": None if model.task is None else model.task.to_json(),
        "seed": model.seed,
        "num_timesteps": model.num_timesteps,
        "episodes": model._episode_num,
        "updates": model._n_updates,
        "seconds": model.seconds_trained,
    }
    tensors = {f"policy.{name}": value for name, value in model.policy.state_dict().items()}
    if {*include} or not {*exclude}:
        tensors |= pack_optimizer(model.policy.optimizer)
        # For the running error in the log of a training that goes on.
        tensors[SUCCESSES] = torch.tensor([*(model.ep_success_buffer or ())], dtype=torch.bool)
    save_archive(path, header, tensors)


def load_model(
    kind: type[Any], path: Any, device: torch.device | str, arguments: dict[str, Any]
) -> Any:
    """Load a model without its env; see `RAM.load`.

    Args:
        kind: `RAM` or a subclass of it.
        path: The file or a binary file object.
        device: Where the networks shall live.
        arguments: More arguments of the constructor; settings replace the saved ones.

    Raises:
        ValueError: If the file is not a model of a version known here, or damaged.
    """
    header, tensors = load_archive(path, FORMAT, FORMAT_VERSION, check_model)
    header = of_today(header)
    settings = {"seed": header["seed"], **header["config"], **arguments}
    model = kind(env=None, device=device, _init_setup_model=False, **settings)
    model.observation_space = make_space(header["observation_space"])
    model.action_space = make_space(header["action_space"])
    model._setup_model()
    model.policy.set_score_scale(header.get("score_scale", SCORE_SCALE))
    try:
        parameters = parameters_in(tensors, model.policy.optimizer)
        model.policy.load_state_dict(parameters["policy"])
        if OPTIMIZER in parameters:
            model.policy.optimizer.load_state_dict(parameters[OPTIMIZER])
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"`{path}` is damaged, or of another network or optimiser than the arguments ask for: "
            f"{error}. Choose another file, or leave out what is to differ."
        ) from error
    if header.get("task") is not None:
        model.task = TaskRecord.from_json(header["task"])
    if SUCCESSES in tensors:
        size = model._stats_window_size
        model.ep_info_buffer = deque(maxlen=size)
        model.ep_success_buffer = deque(tensors[SUCCESSES].tolist(), maxlen=size)
    model._seconds_before = header.get("seconds", 0.0)
    model.num_timesteps = header["num_timesteps"]
    model._episode_num, model._n_updates = header["episodes"], header["updates"]
    return model


def read_parameters(path: Any, optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Any]]:
    """Read from the file of a model what its `get_parameters` returned.

    Args:
        path: The file or a binary file object.
        optimizer: Of the kind that the model was trained by.

    Raises:
        ValueError: If the file is not a model of a version known here, or damaged, or if its
            optimiser was of another kind.
    """
    _, tensors = load_archive(path, FORMAT, FORMAT_VERSION, check_model)
    return parameters_in(tensors, optimizer)


def take_over(policy: Any, path: Any) -> list[str]:
    """Take over what fits of a trained model's networks; see `RAM.start_from`."""
    _, tensors = load_archive(path, FORMAT, FORMAT_VERSION, check_model)
    prefix = "policy.networks."
    given = {name.removeprefix(prefix): it for name, it in tensors.items()}
    own = policy.networks.state_dict()
    given |= for_its_retina(policy.networks, given)
    trained = {name: given.get(name) for name in own}
    fitting = {
        name: it for name, it in trained.items() if it is not None and it.shape == own[name].shape
    }
    if not fitting:
        raise ValueError(f"`{path}` has no network that fits: choose a model of these settings.")
    policy.networks.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]


def for_its_retina(networks: RAMNetworks, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what a trained retinotopic gaze makes of grey glimpses, for another retina.

    A cell of a scale covers the same pixels whatever the patch. So the scales that both have are
    laid over each other, middle on middle; what the other one sees beyond is not read at first, and
    not wished for.

    Args:
        networks: That have the other retina.
        given: The weights of the trained model, whatever it is.
    """
    own, laid = networks.state_dict(), {}
    read_otherwise = networks.knows_location or CONVOLUTIONS in own.keys() | given.keys()
    if read_otherwise or not {*OF_PIXELS, *OF_SCALES} <= own.keys() & given.keys():
        return {}
    if networks.location_network.num_colors > 1 or own[SHIFT].dim() != given[SHIFT].dim():
        return {}
    for name in (*OF_PIXELS, *OF_SCALES):
        mine, theirs = by_scale(own, name), by_scale(given, name)
        mine = torch.zeros_like(mine) if name in OF_PIXELS else mine.clone()
        if mine.shape[3] == theirs.shape[3]:
            scales, side = min(len(mine), len(theirs)), min(mine.shape[1], theirs.shape[1])
            middle(mine[:scales], side).copy_(middle(theirs[:scales], side))
            if name in ACROSS:
                laid[name] = mine.reshape(-1, len(own[name])).T
            else:
                laid[name] = mine.reshape(own[name].shape)
    if WAYS in laid:  # they are counted in windows; what is familiar is new
        ratio = by_scale(own, PIXELS).shape[1] / by_scale(given, PIXELS).shape[1]
        laid[WAYS] = functional.pad(laid[WAYS] * ratio, (0, networks.knows_familiar))
    return laid


def by_scale(weights: dict[str, Tensor], name: str) -> Tensor:
    """Return a layer's weights by scale and pixel or cell, (K, side, side, ...)."""
    weight = weights[name].T if name in ACROSS else weights[name]
    num_scales = len(weights[SHIFT])
    if name == WAYS:  # to which more may be joined
        weight = weight[: 2 * num_scales]
    side = math.isqrt(len(weight) // num_scales) if name in OF_PIXELS else 1
    return weight.reshape(num_scales, side, side, -1)


def middle(squares: Tensor, side: int) -> Tensor:
    """Return the middle of squares (K, s, s, ...): a view, (K, side, side, ...)."""
    first = (squares.shape[1] - side) // 2
    return squares[:, first : first + side, first : first + side]


def parameters_in(
    tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, dict[str, Any]]:
    """Return the parameters in the tensors of a file; see `read_parameters`."""
    prefix = "policy."
    weights = {
        name.removeprefix(prefix): it for name, it in tensors.items() if name.startswith(prefix)
    }
    state = unpack_optimizer(optimizer, tensors)
    if not state and SUCCESSES not in tensors:  # it was left out
        return {"policy": weights}
    return {"policy": weights, OPTIMIZER: {**optimizer.state_dict(), "state": state}}


def of_today(header: dict[str, Any]) -> dict[str, Any]:
    """Return the header of any version as that of the latest."""
    if header["version"] > 1:
        return header
    size, shape = header["action_space"].get("size"), header["glimpse_shape"]
    spaces = {"glimpse": describe_box(0.0, 1.0, shape), "location": describe_box(-1.0, 1.0, [2])}
    is_box = header["action_space"]["type"] == "box"
    return header | {
        "config": {RENAMED.get(name, name): it for name, it in header["config"].items()},
        "observation_space": {"type": "dict", "spaces": spaces},
        "action_space": describe_box(-1.0, 1.0, [size]) if is_box else header["action_space"],
    }


def check_model(header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Refuse a header and tensors that are not those of one model; nothing is made of them.

    Raises:
        Exception: Of nearly any kind, with a message, if they are refused.
    """
    for name in ("seed", "num_timesteps", "episodes", "updates"):
        whole_number(name, header[name], 0)
    number_between("seconds", header.get("seconds", 0.0), 0.0, sys.float_info.max)
    positive_number("score_scale", header.get("score_scale", SCORE_SCALE), HIGHEST_SCORE_SCALE)
    if not isinstance(header["config"], dict):
        raise ValueError(f"its settings are no settings: {shown(header['config'])}")
    header = of_today(header)
    config = replace_settings(RAMConfig(), header["config"])
    glimpse_shape, num_classes = described_sizes(header, config.learn_stop)
    if header.get("task") is not None:  # older files, and those of other envs, have none
        task = TaskRecord.from_json(header["task"])
        if (task.glimpse_shape, len(task.class_names)) != (glimpse_shape, num_classes):
            raise ValueError("its `task` is not that of its spaces")
    with torch.device("meta"):  # shapes alone: nothing is allocated
        networks = RAMNetworks(glimpse_shape, num_classes, config)
    expected = {f"policy.networks.{name}": it for name, it in networks.state_dict().items()}
    expected["policy.location_std"] = torch.zeros((), dtype=torch.float32)
    check_tensors(tensors, expected, optional_tensors(tensors, [*networks.parameters()]))
    for name in ("observation_space", "action_space"):
        make_space(header[name])


def described_sizes(header: dict[str, Any], stop: bool) -> tuple[tuple[int, ...], int]:
    """Return (K, g, g) or (K, 3, g, g), and C, of the spaces in a header; no memory is taken.

    Args:
        header: Of a file.
        stop: Whether the last number of an action says to answer now.

    Raises:
        ValueError, KeyError, TypeError: If they are none that RAM plays in.
    """
    sides = header["observation_space"]["spaces"]["glimpse"]["shape"]
    if not isinstance(sides, list) or len(sides) not in (3, 4) or sides[-1] != sides[-2]:
        raise ValueError(f"the shape of `glimpse` must be [K, [3,] g, g], got {shown(sides)}")
    glimpse_shape = tuple(whole_number("glimpse", side, 1) for side in sides)
    match header["action_space"]:
        case {"type": "box", "shape": [size]}:
            return glimpse_shape, whole_number("action_space", size, 3 + stop) - 2 - stop
        case {"type": "multidiscrete", "nvec": [width, height, num_classes, *rest]} if rest == (
            [2] if stop else []
        ):
            sizes = [whole_number("action_space", n, 1) for n in (width, height, num_classes)]
            return glimpse_shape, sizes[2]
    raise ValueError(f"`action_space` must be of RAM's, got {shown(header['action_space'])}")


def optional_tensors(tensors: dict[str, Tensor], weights: list[Tensor]) -> dict[str, Tensor]:
    """Return what a file may hold besides the weights: one number or moment each for a weight."""
    optional = {SUCCESSES: tensors.get(SUCCESSES, torch.zeros(0)).bool()}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        index = rest.partition(".")[0]
        if kind == "optimizer" and index.isdecimal() and int(index) < len(weights):
            number = torch.zeros((), dtype=torch.float32)
            optional[name] = number if value.dim() == 0 else weights[int(index)]
    return optional


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of an optimiser as tensors by name, `optimizer.<weight>.<quantity>`.

    Raises:
        ValueError: If it holds something else than numbers and what is shaped like a weight.
    """
    state = optimizer.state_dict()["state"]
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for index, values in state.items():
        for name, value in values.items():
            if not isinstance(value, Tensor) or value.shape not in ((), weights[index].shape):
                raise ValueError(
                    f"`{name}` of the optimiser {type(optimizer).__name__} cannot be saved: leave "
                    'its state out by `exclude=["optimizer"]`.'
                )
    return {
        f"optimizer.{index}.{name}": value.float()  # some count in PyTorch's default type
        for index, values in state.items()
        for name, value in values.items()
    }


def unpack_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> dict[int, dict[str, Tensor]]:
    """Return the state that `pack_optimizer` packed, by weight; empty if there is none.

    Raises:
        ValueError: If it is no whole state of this optimiser, with which learning could go on.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    whole = kinds_of(probe_state(optimizer)) if state else {}
    for number, values in sorted(state.items()):
        if (found := kinds_of(values)) != whole:
            raise ValueError(
                f"optimizer.{number} holds {found}, where {type(optimizer).__name__} has {whole}"
            )
    return state


def kinds_of(state: dict[str, Any]) -> dict[str, str]:
    """Return of each tensor that is kept for a weight whether it is a number or as the weight."""
    return {
        name: "a moment" if value.dim() else "a number"
        for name, value in sorted(state.items())
        if isinstance(value, Tensor)
    }


def probe_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return what an optimiser of the same kind keeps for a weight after a step."""
    probe = torch.nn.Parameter(torch.zeros(1))
    probe.grad = torch.zeros(1)
    other = type(optimizer)([probe], **optimizer.defaults)
    other.step()
    return other.state[probe]
