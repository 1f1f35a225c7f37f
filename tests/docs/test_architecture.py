"""Pictures show the rules that `lint-imports` checks, and pages find each other."""

import configparser
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def layers():
    """The lines of the linter's contract, from the top down."""
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    return rules["importlinter:contract:layers"]["layers"].split("\n")[1:]


def test_the_diagram_is_the_contract():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (diagram,) = re.findall(r"<!-- layers -->\n```text\n(.*?)```", page, flags=re.DOTALL)
    # Behind two spaces comes what a layer is.
    drawn = [re.split(r"\s{2,}", line)[0] for line in diagram.splitlines()]
    assert drawn == [line for line in layers() if line != "__main__"]


def test_the_table_of_folders_is_in_the_order_of_the_contract():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folders = re.findall(r"^\| `sparse_keras/(\w+)`", text, flags=re.MULTILINE)
    packages = " | ".join(layers()).split(" | ")
    assert folders == [name for name in packages if name != "__main__"]


def test_ci_checks_the_contract():
    assert re.search(r"^ *lint-imports$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_places_to_add_something_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| you want to add \|.*?\n\n", text, flags=re.DOTALL)
    paths = [path.replace("KIND", "tabular") for path in re.findall(r"`([\w/]+/[\w.]*)`", table)]
    new = [path for path in paths if re.search("images|converters", path)]
    assert len(paths) - len(new) > 20
    for path in set(paths) - set(new):
        top = path.partition("/")[0]
        base = (
            ROOT
            if top in ("benchmarks", "docs", "tests", "sparse_keras")
            else ROOT / "sparse_keras"
        )
        place = base / (pathlib.Path(path).parent if "NAME" in path else path)
        assert place.exists(), path


def test_pages_link_the_glossary():
    # docs/results.md consists of tables.
    pages = [path for path in (ROOT / "docs").glob("*.md") if path.name != "results.md"]
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *pages]:
        if page.name != "glossary.md":
            assert "glossary.md)" in page.read_text(encoding="utf-8"), page


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
