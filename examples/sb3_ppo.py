"""PPO of Stable-Baselines3 on a glimpse env, and its error on the frozen test set.

python examples/sb3_ppo.py
"""

from stable_baselines3 import PPO

from agents import make_vec_env
from agents.evaluation.frozen_scenes import FrozenScenes


def main(total_timesteps: int = 300_000, num_envs: int = 256) -> float:
    """Train and return the test error in percent."""
    kwargs = {"action_format": "multidiscrete", "reward": "every_step"}
    env = make_vec_env("GlimpseMNIST-v0", num_envs, memory="history", **kwargs)
    model = PPO("MultiInputPolicy", env, n_steps=28, batch_size=num_envs * 7, gamma=0.95, seed=0)
    model.learn(total_timesteps)
    scenes = FrozenScenes("GlimpseMNIST-v0", kwargs, "test", memory="history")
    return scenes.evaluate(model).error


if __name__ == "__main__":
    print(f"{main():.1f} % test error")
