"""The documentation site: a page and a picture for each environment, no broken link, all names."""

import re
from pathlib import Path

import gymnasium as gym
import pytest

import agents
from agents.runs.options import FIELDS
from ram_env import SHORT_NAMES
from website import environments, reference

ROOT = Path(__file__).parents[2]
pages = pytest.importorskip("website.pages", reason="needs the extra docs: pip install '.[docs]'")


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """The pages that are no files of the repository."""
    return environments.environment_pages() | reference.reference_pages()


@pytest.fixture(scope="module")
def texts(written: dict[str, str]) -> dict[str, str]:
    """All pages of the site."""
    found, pictures = pages.gather(written)
    assert all((ROOT / path).is_file() for path in pictures)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "env_id",
    [it for it, spec in gym.registry.items() if str(spec.entry_point).startswith("ram_env.")],
)
def test_every_registered_env_has_its_page(env_id: str, written: dict[str, str]) -> None:
    """With its picture, the arguments that it is registered with, its rules and its history."""
    (name,) = (name for name, it in SHORT_NAMES.items() if it == env_id)
    page = written[f"environments/{name}.md"]
    assert page.startswith(f"# {env_id}\n") and f"]({name}.gif)" in page
    for key, value in gym.spec(env_id).kwargs.items():
        assert f"| `{key}` | `{value!r}` |" in page
    for title in ("Action Space", "Observation Space", "Version History"):
        assert f"\n## {title}\n" in page
    assert "Registered configurations" not in page and "Raises:" not in page
    assert f"]({name}.md)" in written["environments/README.md"]


def test_pages_say_what_their_env_observes(written: dict[str, str]) -> None:
    """By the shapes of its own spaces; of catch by its own rules."""
    assert (
        "| `glimpse` | `Box(0.0, 1.0, (4, 12, 12), float32)` |"
        in (written["environments/cluttered100.md"])
    )
    assert "Catch a ball that falls" in written["environments/catch.md"].splitlines()[2]
    assert "## Rewards" not in written["environments/catch.md"]


def test_all_pages_of_the_docs_are_in_the_navigation(texts: dict[str, str]) -> None:
    """None is forgotten, and none named that is not there."""
    shown = set(pages.pages_of(pages.navigation()))
    assert shown >= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert shown >= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("results/*/README.md")}
    assert shown <= set(texts)


def test_links_lead_to_pages_of_the_site(texts: dict[str, str]) -> None:
    """A module to a page that shows it, a folder to one that lists it, anchors kept."""
    assert "(../agents/model/networks.py.md)" in texts["docs/agents.md"]
    assert texts["agents/model/networks.py.md"].startswith("# networks.py\n\n``````py\n")
    assert "[sb3_ppo.py](sb3_ppo.py.md)" in texts["examples/README.md"]
    assert "(docs/running.md)" in texts["README.md"]
    assert texts["examples/tour.ipynb.md"].startswith("# A tour of RAM-Env\n")
    assert "```python\nimport gymnasium as gym\n" in texts["examples/tour.ipynb.md"]
    with pytest.raises(FileNotFoundError):
        pages.gather({path: "" for path in texts} | {"environments/README.md": "[x](nowhere.md)"})


def test_the_page_with_the_demo_comes_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it is built, its files and a link to it."""
    (tmp_path / "index.html").write_text("<title>It looks</title>")
    monkeypatch.setattr(pages, "DEMO", tmp_path)
    monkeypatch.setattr(pages, "environment_pictures", lambda: iter(()))
    monkeypatch.setattr(pages, "gather", lambda _: ({"docs/demo.md": "# The page\nText."}, set()))
    found = dict(pages.contents())
    assert found["demo/index.html"] == tmp_path / "index.html"
    assert found["docs/demo.md"] == "# The page\n\n[Open the page](../demo/index.html).\nText."


def test_every_public_name_is_documented(written: dict[str, str]) -> None:
    """And every option of `agents.train`."""
    page = written["reference/agents.md"]
    for name in set(agents.__all__) - {"pictures"}:
        assert re.search(rf"^::: agents\.[\w.]+\.{name}$", page, re.MULTILINE)
    assert all(f"| `{name}` |" in page for name in FIELDS)
    assert "::: agents.policies.random_policy.RandomPolicy" in written["reference/policies.md"]
    assert "::: agents.looking.gazes" in written["reference/pictures.md"]
