"""What learns in a run? RAM or another algorithm, each made, taught, saved and described."""

import hashlib
import inspect
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.base.errors import DivergenceError, TeamError
from agents.base.files import CONFIG, MODEL, path_of, read_json
from agents.base.pretrained import pretrained_path, pretrained_rows
from agents.base.processes import all_same, launched, world_size
from agents.evaluation.provenance import check_data
from agents.model.config import check_names, check_type
from agents.model.networks import forward_multiply_adds
from agents.model.ram import RAM
from agents.runs.callbacks import Progress
from agents.runs.checkpoints import CHECKPOINT, load_checkpoint, save_checkpoint
from agents.runs.plan import Plan
from agents.sb3.algorithms import ALGORITHMS
from agents.sb3.envs import make_vec_env, task_of
from agents.sb3.log import COLUMNS
from agents.sb3.policy_file import (
    algorithm_class,
    check_size,
    constructor_arguments,
    save_algorithm,
)
from agents.sb3.vec_env import GymnasiumVecEnv
from ram_env.games.game import Game
from ram_env.registration import import_env_module

HUGE = 1e10  # far more than any weight of a policy that has learned something
STATS_WINDOW = 2560  # episodes that the running error is averaged over
OURS = {"self", "policy", "env", "seed", "device", "verbose", "tensorboard_log"}
OURS |= {"stats_window_size", "_init_setup_model"}  # arguments that are no settings


def make_learner(plan: Plan) -> "Learner":
    """Make the envs and the model of a plan whose processes are dealt out.

    Raises:
        ValueError: If they cannot be made of what it says.
        MemoryError: If they do not fit into memory.
    """
    check_device(plan.device)
    import_env_module(plan.env_module)  # again, in the processes that help
    assert plan.processes is not None  # dealt out
    num_envs = plan.num_envs // plan.processes
    arguments = plan.env_kwargs | plan.train_env_kwargs
    env = make_vec_env(plan.env_id, num_envs, memory=plan.memory, **arguments)
    task = task_of(env.env)
    # Of all processes here together: the share of this one would fit too easily.
    launch = launched()
    task.check_bytes(num_envs * (plan.processes if launch is None else launch.local_size))
    try:
        return (RAMLearner if plan.algo == "ram" else SB3Learner)(plan, env, task)
    except RuntimeError as error:  # networks of which PyTorch finds no room for the weights
        raise MemoryError(str(error).splitlines()[0]) from error


def check_device(device: str) -> None:
    """Raise ValueError if a device is not there; Stable-Baselines3 would quietly take the CPU."""
    if device == "auto":
        return
    try:
        torch.zeros(1, device=device).item()  # not even that can be done on "meta"
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"`device` must be auto, cpu or a device that PyTorch can use, got {device!r} "
            f"({reason})."
        ) from error


def describe_device(device: torch.device) -> dict[str, Any]:
    """Return what the model is on; of the GPUs that `torchrun` deals out not which one."""
    return {
        "device": str(device) if launched() is None else device.type,
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }


class RAMLearner:
    """RAM, shared by processes, and able to go on after an interruption.

    Attributes:
        env: The games of this process.
        task: What they play.
        env_kwargs: Arguments of the env, with the data set that "auto" found.
        model: What learns.
        columns: The columns of progress.csv.
    """

    model: RAM

    def __init__(self, plan: Plan, env: GymnasiumVecEnv, task: Game) -> None:
        self._plan, self.env, self.task = plan, env, task
        self._start: dict[str, Any] = {}  # what config.json says of the model it started from
        self.env_kwargs = plan.env_kwargs | task.data_arguments
        self.columns = COLUMNS + ALGORITHMS["ram"].losses
        self.columns += ("train/learning_rate", "train/location_std")
        if plan.goes_on:
            check_data(read_json(plan.folder / CONFIG), task)
        found = load_checkpoint(plan.folder, env, plan.device) if plan.goes_on else None
        if found is None:
            self.renew()
        else:
            self.model = found

    @property
    def episodes_per_batch(self) -> int:
        """Return the number that a budget is a multiple of."""
        return self.model.config.batch_size

    @property
    def episodes_done(self) -> int:
        """Return the number of episodes that the model has learned from."""
        return self.model._episode_num

    def renew(self) -> None:
        """Make the model anew, after its speed was measured."""
        plan = self._plan
        self.model = RAM(
            "RAMPolicy", self.env, seed=plan.options.seed, device=plan.device, **plan.settings
        )
        if plan.init_from is not None:
            path = trained_file(plan.init_from)
            anew = self.model.start_from(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            self._start = {"init_from": {"sha256": digest, "anew": anew}}

    def go_on(self) -> None:
        """Bring envs and processes to where the run was that the folder holds."""
        # Of a new run not: initial weights may differ by rounding between kinds of machines.
        if world_size() > 1 and not all_same(digest_of(self.model)):
            raise TeamError(
                "all processes must go on from the same checkpoint, got different weights: give "
                "each machine the same run folder."
            )
        if self.model._n_updates:
            rounds = self.model.config.batch_size // self._plan.num_envs
            self.env.reset()  # seeded: the first scenes, as at the start of the run
            games: Any = self.env.env.unwrapped
            games.call("skip_resets", self.model._n_updates * rounds - 1)

    def learn(self, episodes: int, callbacks: list[BaseCallback]) -> None:
        """Learn until so many episodes are played, those before a resumption included."""
        left = episodes * self.task.num_glimpses - self.model.num_timesteps
        self.model.learn(left, CallbackList(callbacks), reset_num_timesteps=False)

    def save_checkpoint(self, folder: Path) -> None:
        """Save the model as it is now to the run folder."""
        save_checkpoint(self.model, folder)

    def save(self, path: Path) -> None:
        """Save the trained model."""
        self.model.save(path, exclude=["optimizer"])

    def describe(self) -> dict[str, Any]:
        """Return what config.json says of this part of the run, beyond its plan."""
        return self._start | {
            "precision": "bfloat16" if self.model.mixed_precision else "float32",
            "gaze_reward": self.model.taught_by.gaze_reward,
            **describe_device(self.model.device),
        }

    def describe_size(self) -> dict[str, Any]:
        """Return what evaluation.json says of the model's size."""
        networks = self.model.policy.networks
        return {
            "multiply_adds": self.task.num_glimpses * forward_multiply_adds(networks),
            "parameters": sum(value.numel() for value in self.model.policy.parameters()),
        }


def trained_file(source: str) -> Path:
    """Return the file of the model that a training starts from.

    Raises:
        ValueError: If `source` is neither a model of the package nor a run that ended.
    """
    names = pretrained_rows()
    if source in names:
        return pretrained_path(source)
    path = path_of(source) / MODEL
    if path.is_file():
        return path
    raise ValueError(
        f"`init_from` must be one of {', '.join(names)}, or none, or the folder of a finished run "
        f"of ram, got {source!r}."
    )


def digest_of(model: RAM) -> str:
    """Return what differs if two models differ in a weight or in how far they are."""
    digest = hashlib.sha256(str(model._n_updates).encode())
    for name, value in model.policy.state_dict().items():
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()


class SB3Learner:
    """An algorithm of Stable-Baselines3, or one that is made like those: as `RAMLearner`."""

    model: BaseAlgorithm

    def __init__(self, plan: Plan, env: GymnasiumVecEnv, task: Game) -> None:
        if launched() is not None:
            raise ValueError(f"`torchrun` is for ram; start `algo` {plan.algo} with python.")
        check_arguments(plan.algo, plan.settings)
        self._plan, self.env, self.task = plan, env, task
        self._progress: Progress | None = None  # until it learns
        self.env_kwargs = plan.env_kwargs | task.data_arguments
        self.columns = COLUMNS + ALGORITHMS[plan.algo].losses
        self.renew()

    @property
    def episodes_per_batch(self) -> int:
        """The episodes of a rollout, which training takes whole."""
        steps = getattr(self.model, "n_steps", 1) * self.env.num_envs
        return max(1, steps // self.task.num_glimpses)

    @property
    def episodes_done(self) -> int:
        return 0 if self._progress is None else self._progress.episodes

    def renew(self) -> None:
        plan = self._plan
        settings = constructor_arguments(plan.settings)
        spaces = self.env.observation_space, self.env.action_space
        check_size(plan.settings.get("policy_kwargs", {}), *spaces)
        try:
            self.model = algorithm_class(plan.algo)(
                ALGORITHMS[plan.algo].policy,
                self.env,
                seed=plan.options.seed,
                device=plan.device,
                stats_window_size=STATS_WINDOW,
                **settings,
            )
        except (TypeError, AssertionError, AttributeError) as error:
            raise ValueError(f"`settings` do not suit {plan.algo}: {error or settings}.") from error

    def go_on(self) -> None:
        raise NotImplementedError("`plan_run` lets these begin anew")

    def learn(self, episodes: int, callbacks: list[BaseCallback]) -> None:
        # First: others write rows of the log, and count by it.
        progress = self._progress = Progress(self.task.num_glimpses, episodes)
        steps = episodes * self.task.num_glimpses  # at most: an agent may answer before
        # A row for each rollout, or off policy, where finished episodes are counted, for as many as
        # there are games.
        off_policy = isinstance(self.model, OffPolicyAlgorithm)
        interval = self.env.num_envs if off_policy else 1
        try:
            self.model.learn(steps, CallbackList([progress, *callbacks]), log_interval=interval)
        except ValueError as error:  # PyTorch's distributions refuse parameters that are no numbers
            if all((value.abs() < HUGE).all() for value in self.model.policy.parameters()):
                raise
            raise DivergenceError(
                f"training diverged: weights of the policy are over {HUGE:g}, or no numbers, after "
                f"{self.model.num_timesteps:,} env steps. Lower `learning_rate`."
            ) from error

    def save_checkpoint(self, folder: Path) -> None:
        self.save(folder / CHECKPOINT)

    def save(self, path: Path) -> None:
        save_algorithm(path, self._plan.algo, self._plan.settings, self.model)

    def describe(self) -> dict[str, Any]:
        return describe_device(self.model.device)

    def describe_size(self) -> dict[str, Any]:
        return {"parameters": sum(value.numel() for value in self.model.policy.parameters())}


def check_arguments(algo: str, settings: dict[str, Any]) -> None:
    """Raise ValueError if a setting is no argument of an algorithm, or of another type."""
    known = dict(inspect.signature(algorithm_class(algo)).parameters)
    check_names(settings, set(known) - OURS, algo)
    for name, value in settings.items():
        expected = type(known[name].default)
        if expected is type(None) and isinstance(value, str):
            raise ValueError(f"`{name}` of {algo} must be no text, got {value!r}.")
        if expected in (bool, int, float) and name != "learning_rate":
            check_type(f"`{name}` of {algo}", value, expected)


Learner = RAMLearner | SB3Learner
