"""The file of a small model, and its parts."""

import io
import zipfile

from agents import RAM, make_vec_env

HEADER, TENSORS = "header.json", "tensors.safetensors"


def make_file() -> bytes:
    """Return the file of a small model that has learned a little, its optimiser included."""
    sizes = {"hidden_size": 2, "feature_size": 2, "what_hidden_size": 2, "batch_size": 4}
    env = make_vec_env("GlimpseMNIST-v0", 4, dataset="digits", num_glimpses=2, patch_size=2)
    model = RAM("RAMPolicy", env, seed=0, device="cpu", location_hidden_size=2, **sizes).learn(16)
    file = io.BytesIO()
    model.save(file)
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    """Return members as an archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


FILE = make_file()
with zipfile.ZipFile(io.BytesIO(FILE)) as whole:
    MEMBERS = {name: whole.read(name) for name in (HEADER, TENSORS)}
