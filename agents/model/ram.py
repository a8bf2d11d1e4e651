"""How does the Recurrent Attention Model learn, as a Stable-Baselines3 algorithm?"""

import copy
import io
import pathlib
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Self

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.utils import check_for_correct_spaces, get_system_info
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from agents.base.errors import DivergenceError
from agents.base.files import Path
from agents.base.pretrained import pretrained_path, pretrained_task
from agents.base.processes import average, average_gradients, rank, world_size
from agents.exporting.looks import export_look
from agents.exporting.onnx_file import OPSET
from agents.looking.look import Look, look_at
from agents.model.config import check_rounds, make_config
from agents.model.losses import Losses, hybrid_loss
from agents.model.model_file import OPTIMIZER, load_model, read_parameters, save_model, take_over
from agents.model.networks import uses_bfloat16
from agents.model.policy import RAMPolicy
from agents.model.rollout import Recorder, Rollout, share_earned_moments
from agents.sb3.envs import labels_begun, make_vec_env, record_in, seed_games, task_in
from agents.sb3.log import record_rollout
from agents.sb3.spaces import other_classes
from agents.sb3.vec_env import GymnasiumVecEnv
from ram_env.games.record import TaskRecord, at_new_place
from ram_env.hashing import mix_bits
from ram_env.pictures.decoding import GivenPicture


class RAM(BaseAlgorithm):
    """Learn where to look: Mnih et al. 2014, arXiv:1406.6247.

    Cross-entropy trains the action, core and glimpse networks by back-propagation through whole
    episodes, REINFORCE with a baseline the location network and, with `policy_gradient_to_core`,
    through it the others. Preset `pure` reads no label, only what the env pays for its answers;
    with `answer_loss="policy_gradient"` REINFORCE trains them too. Every gradient step takes
    `batch_size` episodes, played in lockstep, in rounds if there are fewer envs than that, or
    shared among processes if `torch.distributed` is initialised.

    Args:
        policy: `"RAMPolicy"` or a subclass of it.
        env: An id (the native vector env is then made, one env per episode of a batch, with the
            reward that the settings need), a gymnasium `Env` or `VectorEnv` (mode `SAME_STEP`), or
            a Stable-Baselines3 `VecEnv`. All of its episodes must have the same length.
        preset: `"default"`, `"paper"`, `"pure"`, ...: see `agents.model.config.PRESETS`.
        seed: Seeds networks, exploration and envs; drawn from the system if None.
        device: `"auto"`, `"cpu"`, `"cuda"`, ...
        tensorboard_log: Folder for TensorBoard logs, or None.
        verbose: 0 no output, 1 info messages.
        stats_window_size: Over how many episodes rewards and successes are averaged.
        policy_kwargs: More arguments for the policy, such as `optimizer_kwargs`.
        settings: Fields of `RAMConfig` to change from the preset.

    Attributes:
        config: The settings as asked for.
        taught_by: The same, decided for the env: what the losses go by.
        task: What it has learned to look at, by its env or file; None if that was none of ours.

    Raises:
        ValueError: If a setting is unknown or out of its range, or the env does not fit.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"RAMPolicy": RAMPolicy}
    policy: RAMPolicy
    env: VecEnv
    task: TaskRecord | None = None
    _seconds_before = 0.0  # of training before the process began

    def __init__(
        self,
        policy: str | type[RAMPolicy] = "RAMPolicy",
        env: GymEnv | VectorEnv[Any, Any, Any] | str | None = None,
        preset: str = "default",
        *,
        seed: int | None = None,
        device: torch.device | str = "auto",
        tensorboard_log: str | None = None,
        verbose: int = 0,
        stats_window_size: int = 2560,
        policy_kwargs: dict[str, Any] | None = None,
        _init_setup_model: bool = True,
        **settings: Any,
    ) -> None:
        if callable(settings.get("learning_rate")):
            raise ValueError(
                "`learning_rate` must be a number, which a file of the model can hold, got "
                f"{settings['learning_rate']}: `warmup_fraction` and `learning_rate_schedule` say "
                "how it changes."
            )
        self.config = make_config(preset, **settings)
        if env is None and _init_setup_model:
            raise ValueError("`env` must be an env or a registered id, got None.")
        self._calls_noted: int | None = None  # of the env, when `_last_obs` began its episodes
        super().__init__(
            policy,
            self._env_of(env),
            learning_rate=self.config.learning_rate_at,
            policy_kwargs=policy_kwargs,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
        )
        if _init_setup_model:
            self._setup_model()

    def _env_of(self, env: Any) -> Any:
        """Return an env; of a registered id, one that plays a whole batch at once."""
        if not isinstance(env, str):
            return env
        made = make_vec_env(env, self.config.batch_size // world_size())
        task, needed = task_in(made), self.config.env_kwargs
        if task is None or all(getattr(task, name) == value for name, value in needed.items()):
            return made
        return make_vec_env(env, made.num_envs, env_kwargs=needed)

    @staticmethod
    def _wrap_env(env: Any, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        """Turn any env into a `VecEnv`."""
        if isinstance(env, gym.Env) and isinstance(env.action_space, spaces.Dict):
            # Stable-Baselines3 refuses Dict actions; our adapter shows them as a Box.
            env = SyncVectorEnv([lambda: env], autoreset_mode=AutoresetMode.SAME_STEP)
        if isinstance(env, VectorEnv):
            env = GymnasiumVecEnv(env)
        return BaseAlgorithm._wrap_env(env, verbose, monitor_wrapper)

    def _setup_model(self) -> None:
        """Make policy, optimiser and random streams."""
        self._setup_lr_schedule()
        if self.seed is None:
            self.seed = int(np.random.SeedSequence().generate_state(1)[0])
        self.set_random_seed(self.seed)
        self.mixed_precision = uses_bfloat16(self.config.precision, self.device)
        if self.env is not None:
            check_rounds(self.config.batch_size, self.n_envs * world_size())
            self.seed_env()
        self.policy = self.policy_class(  # type: ignore[assignment]
            self.observation_space,
            self.action_space,
            self.lr_schedule,
            config=self.config,
            **self.policy_kwargs,
        ).to(self.device)
        if self.env is not None:
            self._adapt_to_env()

    def _adapt_to_env(self) -> None:
        """Answer as the env reads it, learn from its reward, and tell if that teaches little."""
        task, reward = task_in(self.env), self.config.env_kwargs.get("reward")
        self.task = record_in(self.env)
        self.taught_by = self.config.decided(task.reward if task else None)
        reads_labels = self.config.learn_class_from == "labels"
        self._must_tell = reads_labels and self.taught_by.gaze_reward != "env"
        self._glimpse_cost = task.glimpse_cost if task else 0.0
        self._last_step = task.num_glimpses - 1 if task else None
        if task is None:
            return
        if task.stop != self.config.learn_stop:
            raise ValueError(
                f"`learn_stop` must be as the `stop` of `env`, {task.stop}, got "
                f"{self.config.learn_stop}: change either."
            )
        self.policy.set_score_scale(task.score_scale)
        if self.config.glimpse_statistics != "fixed" and not self._n_updates:
            self.policy.set_statistics(*task.glimpse_statistics())
        if self.config.answer_loss == "likelihood" and reward and task.glimpse_cost:
            raise ValueError(
                "`answer_loss='likelihood'` reads from a reward above 0 that an answer is right: "
                f"make `env` with glimpse_cost=0, got {task.glimpse_cost}."
            )
        if reward not in (None, task.reward):
            got = f"make it with reward={reward!r}, got {str(task.reward)!r}."
            if not self.config.answers_by_policy_gradient:
                raise ValueError(
                    "`answer_loss='likelihood'`, as preset 'pure' has it, needs an `env` that pays "
                    f"each answer just if it is right: {got}"
                )
            warnings.warn(
                "`learn_class_from='reward'` learns well from an `env` that pays each answer at "
                f"once: {got}",
                stacklevel=4,
            )

    def seed_env(self) -> None:
        """Seed the envs: every process and every seed plays scenes of its own."""
        assert self.seed is not None  # drawn in _setup_model
        seed_games(self.env, self.seed, rank() * self.n_envs)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 10,
        tb_log_name: str = "RAM",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Train for at least `total_timesteps` env steps, rounded up to whole batches of episodes.

        Args:
            total_timesteps: Env steps: episodes times glimpses. Schedules run over them.
            callback: As for every Stable-Baselines3 algorithm; `on_step` comes after each glimpse
                of all envs, `on_rollout_end` before each gradient step. If one says stop, the batch
                is played to its end and learned from, then training ends.
            log_interval: Gradient steps between two rows of the log; None: there are none.
            tb_log_name: Name of the run in TensorBoard.
            reset_num_timesteps: Start counting, and the schedules, anew.
            progress_bar: Show one.

        Raises:
            DivergenceError: If a gradient or an action is not finite.
            ValueError: If there is no env, or its episodes do not end together.
        """
        if self.env is None:
            raise ValueError("`learn()` needs an env: call `set_env(env)` first.")
        if self._calls_noted is None or self._calls_noted != self._count_calls():
            self._last_obs = None  # within an episode, or others may have played: begin new ones
        self._grow_canvases(total_timesteps, reset_num_timesteps)
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        if reset_num_timesteps:
            self._seconds_before = 0.0
        # Not `locals()`, as elsewhere: the callback would hold itself, and with it the last batch.
        callback.on_training_start({"self": self, "total_timesteps": total_timesteps}, globals())
        self._stopping = False
        try:
            while self.num_timesteps < total_timesteps and not self._stopping:
                losses = self._update(callback)
                ends = self.num_timesteps >= total_timesteps
                if log_interval is not None and (ends or self._n_updates % log_interval == 0):
                    self._record(losses)
                    self.dump_logs()
        finally:
            # From here on time passes without training; SB3's clock is started by the next call.
            self._seconds_before, self.start_time = self.seconds_trained, 0.0
        callback.on_training_end()
        return self

    def _grow_canvases(self, total_timesteps: int, anew: bool) -> None:
        """Set the canvases of the episodes that `learn` begins with: those of the update before."""
        done, last = 0 if anew else self.num_timesteps, max(0, self._n_updates - 1)
        before = done * last // self._n_updates if done else 0
        self._set_canvas_range(1.0 - before / (done + total_timesteps), last)

    def _set_canvas_range(self, progress_remaining: float, update: int) -> None:
        """Let canvases of episodes to come be as large as suits an update, where it is."""
        config = self.config
        varies = config.growth_fraction or config.smallest_growth or config.rehearsal_fraction
        if not varies or (task := task_in(self.env)) is None:
            return
        full = task.option_limits.get("canvas_size")
        if full is not None:
            now = self.config.canvas_range_at(progress_remaining, full, update)
            self.env.env_method("set_canvas_range", *now)

    def _update(self, callback: BaseCallback) -> Losses:
        """Play a batch of episodes and take one gradient step."""
        policy, share = self.policy, self.config.batch_size // world_size()
        num_rounds = share // self.n_envs
        start = self.num_timesteps
        self._update_current_progress_remaining(start, self._total_timesteps)
        policy.location_std.fill_(self.config.location_std_at(self._current_progress_remaining))
        self._set_canvas_range(self._current_progress_remaining, self._n_updates)
        policy.set_training_mode(True)
        policy.optimizer.zero_grad()
        callback.on_rollout_start()
        moments: Any = 0.0
        rollouts: Iterable[Rollout] = self._rounds(callback, rank() * share, num_rounds)
        if self.config.answers_by_policy_gradient:
            rollouts = share_earned_moments([*rollouts])  # of the batch: it is kept as a whole
        for rollout in rollouts:
            losses = hybrid_loss(rollout, self.taught_by, self._glimpse_cost)
            (losses.total / num_rounds).backward()
            if rollout.glimpse_moments is not None:
                moments = moments + rollout.glimpse_moments / num_rounds
        callback.update_locals({"rollout": rollout, "losses": losses})
        callback.on_rollout_end()
        self._stopping = average_gradients(policy.networks.parameters(), self._stopping)
        norm = torch.nn.utils.clip_grad_norm_(policy.parameters(), self.config.max_grad_norm)
        if not torch.isfinite(norm):
            raise DivergenceError(
                f"training diverged: the gradient's norm is {norm.item()} after {self._n_updates} "
                "updates. Lower `learning_rate` or `policy_coef`."
            )
        # Read in the middle of the batch: at its start a warm-up, at its end a decay would give 0.
        middle = 0.5 * (start + min(self.num_timesteps, self._total_timesteps))
        self._current_progress_remaining = 1.0 - middle / self._total_timesteps
        self._update_learning_rate(policy.optimizer)
        policy.optimizer.step()
        if self.config.glimpse_statistics == "running":
            policy.renew_statistics(average(moments))
        self._n_updates += 1
        return losses

    def _rounds(
        self, callback: BaseCallback, first_episode: int, num_rounds: int
    ) -> Iterator[Rollout]:
        """Play so many episodes in every env, one after the other; see `_play`."""
        for number in range(num_rounds):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed_precision):
                rollout = self._play(callback, first_episode + number * self.n_envs)
            yield rollout

    def _play(self, callback: BaseCallback, first_episode: int) -> Rollout:
        """Play one whole episode in every env.

        Args:
            callback: Called after every step.
            first_episode: Position in the batch of the first env's episode.
        """
        generator = self._noise()
        recorder = Recorder(self.config, self._labels(), self.policy.num_classes)
        state = self.policy.networks.initial_state(self.n_envs)
        dones = np.zeros(self.n_envs, dtype=bool)
        while not dones.any():
            observation = self._observation()
            thought = self.policy(observation, state)
            state = thought.state
            exploration = self._exploration(generator, first_episode)
            # An answer that was not paid is not given again; the last one is the model's own.
            possible = None if recorder.num_steps == self._last_step else recorder.possible
            decision = self.policy.act(thought, *exploration, possible)
            # Episodes are played to their end: they show what each stop would have paid.
            actions = self.policy.look_on(decision.actions)
            self._last_obs, rewards, dones, infos = self.env.step(actions)  # type: ignore[assignment]
            recorder.add(observation["glimpse"], thought, decision, rewards)
            self.num_timesteps += self.n_envs * world_size()
            callback.update_locals(
                {"actions": actions, "rewards": rewards, "dones": dones, "infos": infos}
            )
            self._stopping |= not callback.on_step()
        self._check_ended_together(dones)
        self._calls_noted = self._count_calls()
        self._episode_num += self.n_envs * world_size()
        self._update_info_buffer(infos, dones)
        self._tell_of_rewards_unread(recorder.rewards(), infos)
        return recorder.rollout()

    def _tell_of_rewards_unread(self, paid: Tensor, infos: list[dict[str, Any]]) -> None:
        """Warn once of rewards (T, B) that are not 1 at the end if it is right, less glimpses."""
        if not self._must_tell or rank() > 0:
            return
        from_label = torch.full_like(paid, -self._glimpse_cost)
        from_label[-1] = torch.as_tensor([bool(info.get("is_success")) for info in infos])
        if torch.equal(paid, from_label):
            return
        self._must_tell = False
        warnings.warn(
            "the rewards of `env` are not read: the gaze is paid from the label, by `gaze_reward="
            f"{self.taught_by.gaze_reward!r}`. `gaze_reward='env'` learns from them, with a "
            "`discount` above 0 from those too that come later than the next glimpse.",
            stacklevel=6,
        )

    def _noise(self) -> torch.Generator:
        """Return the exploration noise of this update: a function of seed and update alone."""
        key = np.array([self.seed, self._n_updates], dtype=np.uint64)
        mixed = mix_bits(mix_bits(key[:1]) + key[1:])
        return torch.Generator().manual_seed(int(mixed[0] & np.uint64(0x7FFFFFFF)))

    def _exploration(
        self, generator: torch.Generator, first_episode: int
    ) -> tuple[Tensor, Tensor | None]:
        """Return noise and uniform numbers for `policy.act`: this round's rows of a batch's."""
        rows = slice(first_episode, first_episode + self.n_envs)
        size = self.config.batch_size
        noise = self.policy.draw_noise(size, generator)[rows].to(self.device)
        if self.config.learn_class_from == "labels":
            return noise, None
        uniform = torch.rand(size, 1, generator=generator, dtype=torch.float32)
        return noise, uniform[rows].to(self.device)

    def _labels(self) -> Tensor:
        """Return the labels of the episodes that begin, (B,); -1 if none are to be read."""
        if self.config.learn_class_from == "reward":
            return torch.full((self.n_envs,), -1, device=self.device)
        return torch.as_tensor(labels_begun(self.env), device=self.device)

    def _count_calls(self) -> int | None:
        """Return how often the env was reset or stepped by anyone; None if it does not tell."""
        return getattr(self.env.unwrapped, "num_calls", None)

    def _observation(self) -> dict[str, Tensor]:
        assert isinstance(self._last_obs, dict)
        return {
            key: torch.as_tensor(value, device=self.device) for key, value in self._last_obs.items()
        }

    def _check_ended_together(self, dones: np.ndarray) -> None:
        if not dones.all():
            raise ValueError(
                f"all episodes must end together, got {int(dones.sum())} of {self.n_envs} after "
                "the same number of steps: give every env the same `num_glimpses` and do not reset "
                "some of them."
            )

    @property
    def seconds_trained(self) -> float:
        """How long the model has trained, before it was saved and loaded too."""
        begun = self.start_time > 0.0
        return self._seconds_before + ((time.time_ns() - self.start_time) / 1e9 if begun else 0.0)

    def _record(self, losses: Losses) -> None:
        """Note the losses of an update for the next row of the log."""
        for name in ("classification_loss", "policy_loss", "baseline_loss"):
            self.logger.record(f"train/{name}", getattr(losses, name).item())

    def dump_logs(self) -> None:
        """Write a row of the log: what was noted since the last one, and how far training is."""
        record_rollout(self, self._episode_num)
        self.logger.record("train/location_std", self.policy.location_std.item())
        self.logger.dump(self.num_timesteps)

    def set_env(self, env: Any, force_reset: bool = True) -> None:
        """Set the env to learn from; any number of envs that divides `batch_size`.

        Args:
            env: As for the constructor.
            force_reset: Reset it before learning on; a new one is reset in any case.

        Raises:
            ValueError: If it does not fit the model.
        """
        env = self._wrap_env(self._env_of(env), self.verbose)
        difference = other_classes(self.action_space, env.action_space)
        if difference:
            raise ValueError(f"`env` must have the classes of the model{difference}.")
        check_for_correct_spaces(env, self.observation_space, self.action_space)
        check_rounds(self.config.batch_size, env.num_envs * world_size())
        self.n_envs = env.num_envs  # any number that divides a batch, unlike for the base class
        if force_reset or env is not self.env:
            self._calls_noted = None
        super().set_env(env, force_reset)
        self._adapt_to_env()

    def save(
        self,
        path: str | pathlib.Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Save the model in one zip of JSON and tensors; nothing in it can run code.

        Args:
            path: File to write, `.zip` is added if it has no suffix; or a binary file object.
            exclude: `["optimizer"]` leaves out the optimiser's state: two thirds of the size.
            include: `["optimizer"]` keeps it even so.

        Raises:
            ValueError: If the optimiser keeps what a file of tensors cannot hold, or something else
                is to be left out or kept.
        """
        save_model(self, path, exclude or (), include or ())

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        """Return the names of what `get_parameters` returns and `set_parameters` takes."""
        return ["policy", OPTIMIZER], []

    def set_parameters(
        self,
        load_path_or_dict: str | pathlib.Path | io.BufferedIOBase | dict[str, Any],
        exact_match: bool = True,
        device: torch.device | str = "auto",
    ) -> None:
        """Take over weights and the state of the optimiser; settings and counters stay.

        Args:
            load_path_or_dict: What `get_parameters` of a model returned, or a file of one.
            exact_match: Refuse less than all of it, such as a file without the optimiser's state.
            device: Accepted for compatibility: what is taken over goes where the model lives.

        Raises:
            ValueError: If the file is not a model, or the parameters are not all of them.
            RuntimeError: If a weight has another shape.
        """
        parameters: Any = load_path_or_dict
        if not isinstance(parameters, dict):
            parameters = read_parameters(parameters, self.policy.optimizer)
        # A copy: PyTorch's optimisers keep the tensors that they are given, and change them.
        super().set_parameters(copy.deepcopy(parameters), exact_match, device)

    @classmethod
    def load(
        cls,
        path: str | pathlib.Path | io.BufferedIOBase,
        env: Any = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Load a model that `save` wrote.

        Args:
            path: The file or a binary file object.
            env: To go on learning; predicting needs none.
            device: Where the networks shall live.
            custom_objects: Settings too; nothing in the file is an object to be replaced.
            print_system_info: Print versions of Python, PyTorch and the like; those of when the
                model was saved are not kept.
            force_reset: Accepted for compatibility: the env is new to the model, hence reset.
            **kwargs: More arguments of the constructor, such as `tensorboard_log` and
                `policy_kwargs`, which is not saved; settings replace the saved ones.

        Raises:
            ValueError: If the file is not a model of this version, or does not fit the env.
        """
        if print_system_info:
            get_system_info()
        model: Self = load_model(cls, path, device, {**(custom_objects or {}), **kwargs})
        if env is not None:
            model.set_env(env, force_reset)
            model.seed_env()
        return model

    @classmethod
    def from_pretrained(cls, name: str, env: Any = None, **arguments: Any) -> Self:
        """Load a trained model that comes with the package.

        Args:
            name: Short name of its task: `"centered"`, `"cluttered"`, ...
            env: To go on learning; predicting needs none.
            **arguments: Those of `load`, such as `device`.

        Raises:
            ValueError: If there is no model of that name.
        """
        model = cls.load(pretrained_path(name), env, **arguments)
        model.task = model.task or pretrained_task(name)
        return model

    def start_from(self, path: str | pathlib.Path | io.BufferedIOBase) -> list[str]:
        """Take over the weights of a trained model wherever they fit, before learning.

        Args:
            path: The file of a model, whatever its task; `pretrained_path(name)` is that of one
                that comes with the package.

        Returns:
            The names of the weights that do not fit, and stay as they are: those of the last layer
            for another number of classes, of the first for another glimpse unless the location is
            retinotopic.

        Raises:
            ValueError: If the file is not a model, or nothing of it fits.
        """
        return take_over(self.policy, path)

    def make_env(self, split: str = "test", num_envs: int = 1, **changes: Any) -> GymnasiumVecEnv:
        """Make an env of the task that the model has learned, on the data that it learned from.

        Args:
            split: `"train"`, `"validation"` or `"test"`.
            num_envs: How many games at once.
            **changes: Arguments of the env to change, such as `dataset` if the data is elsewhere.

        Returns:
            What `agents.make_vec_env` returns.

        Raises:
            ValueError: If the task is not known, or an argument impossible.
            gymnasium.error.Error: If its id is not registered: import the module that does.
        """
        if "n_envs" in changes:
            raise TypeError("make_env() got `n_envs`: the number of envs is `num_envs` here.")
        task = self._known_task()
        arguments = at_new_place(task.arguments, changes) | {"split": split}
        return make_vec_env(task.env_id, num_envs, env_kwargs=arguments)

    def look_at(self, picture: GivenPicture, confidence: float | None = None) -> Look:
        """Look at a picture as at one of the task, from its middle on, and say what it is.

        Args:
            picture: The path of a file, an image of Pillow, or uint8 (h, w) or (h, w, 3). Of a task
                on a canvas it has the size of an image, and lies in the middle, or of the canvas.
            confidence: Looking ends once the belief in a class reaches this; None: after all
                glimpses.

        Raises:
            ValueError: If the picture cannot be read or has another size, or the task is unknown.
        """
        task = self._known_task()
        return look_at(self, task, [task.pixels_of(picture)], confidence)[0]

    def export_onnx(
        self,
        path: Path,
        whole_look: bool = False,
        *,
        opset: int = OPSET,
        trained: dict[str, Any] | None = None,
    ) -> None:
        """Write what the model does with one glimpse to an ONNX file: see docs/deploy.md.

        Args:
            path: The file; its folder is made.
            whole_look: Whether the retina is in it too, so that it takes whole canvases. All must
                have one size, which the task says.
            opset: Which set of operators it is written in, 18 to 23.
            trained: More to write down of its training, as JSON has it.

        Raises:
            ValueError: If there is no such opset, or the task's canvases are of many sizes or too
                large for a whole look, or unknown.
            gymnasium.error.DependencyNotInstalled: If the extra `onnx` is missing.
        """
        task = self._known_task() if whole_look else self.task
        counters = {
            "seed": self.seed,
            "num_timesteps": self.num_timesteps,
            "episodes": self._episode_num,
            "updates": self._n_updates,
            "seconds": self.seconds_trained,
        }
        export_look(path, self.policy, task, counters | (trained or {}), whole_look, opset)

    def _known_task(self) -> TaskRecord:
        """Return the task that the model has learned.

        Raises:
            ValueError: If neither its env nor its file has told.
        """
        if self.task is None:
            raise ValueError(
                "the model does not know its task, as its file is of an earlier release or its env "
                "none of ours: call `set_env(env)` with an env of the task first."
            )
        return self.task
