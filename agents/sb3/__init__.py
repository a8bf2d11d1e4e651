"""The glue between Gymnasium's vector envs, Stable-Baselines3's algorithms and this project."""
