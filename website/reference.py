"""Which names of the library does the site document? The public ones, by their docstrings."""

import dataclasses
import inspect
from collections.abc import Sequence
from types import ModuleType

import agents
from agents import policies
from agents.runs.options import DECLARED
from ram_env import wrappers
from ram_env.data.images import ImageDataset
from ram_env.vector_env import GlimpseVectorEnv
from ram_env.wrappers import vector

FOLDER = "reference"
RESULTS = (
    *("agents.looking.look.Look", "agents.evaluation.result.Evaluation"),
    "agents.runs.launch.Trained",
)


def reference_pages() -> dict[str, str]:
    """Return the pages of the library's names, by their path in the site."""
    public = [getattr(agents, name) for name in agents.__all__]
    modules = [it.__name__ for it in public if isinstance(it, ModuleType)]
    names = [path_of(it) for it in public if not isinstance(it, ModuleType)]
    own = [getattr(module, name) for module in (wrappers, vector) for name in wrappers.__all__]
    envs = [path_of(it) for it in (GlimpseVectorEnv, *own, ImageDataset)]
    return {
        f"{FOLDER}/agents.md": page_of(
            "agents", "`from agents import NAME` loads a name on first use.", names
        )
        + options_of_train(),
        f"{FOLDER}/pictures.md": page_of(
            "agents.pictures", "How episodes are drawn: `from agents import pictures`.", modules
        ),
        f"{FOLDER}/policies.md": page_of(
            "agents.policies",
            "Policies, and parts of them, for other algorithms to take.",
            [path_of(getattr(policies, name)) for name in policies.__all__],
        ),
        f"{FOLDER}/results.md": page_of(
            "Results", "What a look, an evaluation and a training return.", RESULTS
        ),
        f"{FOLDER}/ram_env.md": page_of(
            "ram_env",
            "`import ram_env` registers the [environments](../environments/README.md).",
            envs,
        ),
    }


def page_of(title: str, text: str, names: Sequence[str]) -> str:
    """Return a page that documents some names, which mkdocstrings fills in."""
    return "\n\n".join([f"# {title}", text, *(f"::: {name}" for name in names)]) + "\n"


def options_of_train() -> str:
    """Return the options of `agents.train` as a table: what it is told is made at import."""
    parameters = inspect.signature(agents.train).parameters
    rows = ["\n### Options of `train`\n", "| name | default | meaning |", "|---|---|---|"]
    for field in (field for declared in DECLARED for field in dataclasses.fields(declared)):
        text = field.metadata["help"].replace("|", "\\|")
        rows.append(f"| `{field.name}` | `{parameters[field.name].default!r}` | {text} |")
    return "\n".join(rows) + "\n"


def path_of(public: type) -> str:
    """Return where a class or function is defined."""
    return f"{public.__module__}.{public.__qualname__}"
