"""Play at random: the whole of Gymnasium's interface in one loop.

python examples/random_agent.py
"""

import gymnasium as gym

import ram_env  # noqa: F401 - registers the envs


def main(num_episodes: int = 200) -> float:
    """Play some episodes; return the share of right answers."""
    env = gym.make("GlimpseMNIST-v0")
    env.action_space.seed(0)
    num_right = 0
    env.reset(seed=0)
    for _ in range(num_episodes):
        terminated = False
        while not terminated:
            _, _, terminated, _, info = env.step(env.action_space.sample())
        num_right += info["is_success"]
        env.reset()
    env.close()
    return num_right / num_episodes


if __name__ == "__main__":
    print(f"{main():.1%} right, chance is 10 %")
