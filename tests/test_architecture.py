"""Who imports whom: arrows run one way, and only the page knows streamlit."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gazeheat_core
from gazeheat_core.exports import filenames, formats

ROOT = Path(__file__).parents[1]
CORE = ROOT / "gazeheat_core"
APP = ROOT / "app.py"
PAGE = sorted((CORE / "page").glob("*.py"))
CORE_FILES = sorted(CORE.rglob("*.py"))

# errors ← settings, model ← grid, corrections, png ← tracks ← stuck, windows ← study ← exports,
# selection ← pooling, library, cache ← heatmap, account, regions, checks ← scale, colormaps,
# parallel ← contours ← images, chart ← report, naming, figure, bundle ← paper ← output ← cli
# ← page ← __main__
MODEL = {"errors", "model"}
TRACKS = {"grid", "tracks"}
MAY_IMPORT = {
    "errors": set(),
    "stopping": set(),
    "settings": {"errors"},
    "model": {"errors"},
    "grid": MODEL,
    "png": MODEL,
    "tracks": MODEL | {"grid"},
    "corrections": MODEL,
    "stuck": MODEL | TRACKS,
    "study": MODEL | TRACKS | {"corrections", "stuck"},
    "exports": MODEL | TRACKS | {"corrections", "stuck", "study", "png"},
    "windows": MODEL | TRACKS,
    "selection": MODEL | TRACKS | {"settings", "study", "windows"},
    "pooling": MODEL | {"settings", "selection", "study"},
    "heatmap": MODEL | {"settings", "selection", "pooling"},
    "regions": MODEL | TRACKS | {"windows", "settings", "study", "selection", "pooling"},
    "scale": MODEL | {"settings", "heatmap"},
    "checks": MODEL | TRACKS | {"settings", "stuck", "study", "selection", "exports"},
    "account": MODEL | {"settings", "study", "selection", "regions", "exports"},
    "sample": MODEL,
    "library": MODEL | {"exports"},
    "cache": MODEL | TRACKS | {"study", "stopping"},
    "parallel": MODEL | {"exports", "grid", "study", "cache", "stopping"},
    "colormaps": MODEL | {"settings", "heatmap"},
    "contours": MODEL | {"settings", "heatmap", "colormaps", "scale"},
    "images": MODEL | {"settings", "heatmap", "colormaps", "contours", "png", "scale"},
    "chart": MODEL | {"settings", "heatmap", "colormaps", "contours", "scale"},
    "report": MODEL | {"heatmap", "library", "scale", "selection", "settings", "study"},
    "naming": MODEL | {"selection"},
    "paper": MODEL | {"account", "heatmap", "report", "scale", "selection", "settings", "study"},
    "figure": MODEL
    | {"account", "colormaps", "contours", "heatmap", "images", "png", "scale", "settings"},
    "bundle": MODEL
    | {"account", "heatmap", "pooling", "regions", "selection", "settings", "study"},
    "output": MODEL
    | {"account", "bundle", "checks", "figure", "heatmap", "images", "naming", "paper", "regions"}
    | {"scale", "selection", "settings", "study"},
}
BELOW = set(MAY_IMPORT)
MAY_IMPORT |= {"cli": BELOW, "__init__": BELOW}
MAY_IMPORT["page"] = BELOW | {"cli", "__init__"}
# The command chooses: the page, or no page and no streamlit.
MAY_IMPORT["__main__"] = {"cli", "page", "stopping"}


def imported_modules(file):
    """Full names of everything that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import hides what it names"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part_of(file):
    """The module or package of the core that a file belongs to."""
    return file.relative_to(CORE).parts[0].removesuffix(".py")


def parts_imported(file):
    """The parts of the core that a file imports, ``__init__`` for the core as a whole."""
    names = [name.split(".") for name in imported_modules(file)]
    return {[*name, "__init__"][1] for name in names if name[0] == "gazeheat_core"}


def identify(file):
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", [APP, *CORE_FILES], ids=identify)
def test_only_the_page_imports_streamlit(file):
    packages = {name.split(".")[0] for name in imported_modules(file)}
    if file not in (APP, *PAGE):
        assert "streamlit" not in packages


def test_every_part_of_the_core_has_its_place():
    assert {part_of(file) for file in CORE_FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("file", CORE_FILES, ids=identify)
def test_arrows_run_one_way(file):
    part = part_of(file)
    assert parts_imported(file) <= MAY_IMPORT[part] | {part}


# markup, server, component ← session ← frame, incoming ← library ← what stands on the page ← main;
# server ← command
HELD = {"markup", "session"}
ON_THE_PAGE = {
    "welcome": {"markup", "frame", "incoming", "library"},
    "bar": HELD | {"frame", "incoming", "library"},
    "missing": HELD | {"frame", "incoming"},
    "columns": HELD | {"frame", "incoming"},
    "recordings": {"component", "session"},
    "when": {"component"},
    "asked": {"controls", "session", "when"},
    "look": {"controls", "markup", "session"},
    "downloads": {"component", "server", "session"},
    "regions": {"component", "server", "session"},
    "stage": {"component", "server", "session"},
    "checks": {"markup", "session"},
    "window": {"component", "incoming"},
}
ROOMS = {
    "__init__": set(),
    "markup": set(),
    "server": set(),
    "component": set(),
    "controls": set(),
    "command": {"server"},
    "session": {"server"},
    "frame": HELD | {"server"},
    "shared": {"turns"},
    "turns": set(),
    "incoming": HELD | {"turns"},
    "library": HELD | {"incoming", "shared", "turns"},
    **ON_THE_PAGE,
    "main": HELD | {"frame"} | set(ON_THE_PAGE),
}


def test_every_room_of_the_page_has_its_place():
    assert {file.stem for file in PAGE} == set(ROOMS)


@pytest.mark.parametrize("file", PAGE, ids=identify)
def test_arrows_between_the_page_s_rooms_run_one_way(file):
    start = "gazeheat_core.page."
    names = [name for name in imported_modules(file) if name.startswith(start)]
    rooms = {name.removeprefix(start).split(".")[0] for name in names}
    assert rooms <= ROOMS[file.stem]


# sources ← tables, picture ← columns ← formats, contents ← filenames ← found, looking ← finding;
# found ← judging, surfaces, sections, blocks ← reading ← studies; looking ← guessing;
# finding, sections ← pieces
STAIR = {
    "sources": set(),
    "tables": {"sources"},
    "picture": {"sources"},
    "columns": {"tables"},
    "formats": {"columns", "tables"},
    "contents": {"columns", "tables", "sources"},
    "filenames": {"formats", "columns", "sources"},
    "found": {"filenames", "contents", "formats", "columns", "tables", "sources"},
    "looking": {"filenames", "formats", "columns", "tables", "sources"},
    "finding": {"looking", "found", "filenames", "contents", "formats", "columns", "tables"}
    | {"sources"},
    "guessing": {"looking", "contents", "columns", "tables", "sources"},
    "judging": {"found", "columns", "tables"},
    "surfaces": {"found", "formats", "columns", "tables"},
    "sections": {"found", "formats", "columns", "tables", "sources"},
    "blocks": {"found", "contents", "formats", "columns", "tables"},
    "reading": {"blocks", "sections", "judging", "surfaces", "picture"}
    | {"found", "contents", "tables"},
    "studies": {"reading", "blocks", "sections", "judging", "picture"}
    | {"found", "contents", "tables"},
    "pieces": {"sections", "finding", "found", "filenames", "sources"},
}
STAIR["__init__"] = set(STAIR)
EXPORTS = sorted((CORE / "exports").glob("*.py"))


@pytest.mark.parametrize("file", EXPORTS, ids=identify)
def test_the_stair_of_the_exports_is_walked_one_way(file):
    start = "gazeheat_core.exports."
    names = [name for name in imported_modules(file) if name.startswith(start)]
    steps = {name.removeprefix(start).split(".")[0] for name in names}
    assert steps <= STAIR[file.stem]


@pytest.mark.parametrize("arrows", [MAY_IMPORT, ROOMS, STAIR], ids=["core", "page", "exports"])
def test_nothing_that_may_be_imported_imports_back(arrows):
    def reach(part):
        return arrows[part].union(*map(reach, arrows[part]))

    assert all(part not in reach(part) for part in arrows)


def texts(file):
    """The strings in a file that are no docstrings, in lower case."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value.lower()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in statements
    ]


COLUMN_NAMES = {
    name
    for one in formats.FORMATS
    for column in one.columns
    for name in column.replace("?", "").split("|")
    # A short word may mean anything.
    if len(name) >= 12 or one in formats.OF_PUPIL_CLOUD
} | {getattr(formats.SECTIONS, name) for name in formats.SECTIONS.__slots__}
FILE_NAMES = {".csv", ".tsv", "scene_camera", *filenames.PICTURE_STEMS}
# The sample is written as Pupil Cloud writes it, so it spells everything out: made of the
# reader's own names, it would be read whatever these are.
SAMPLE = CORE / "sample"
# The report's own tables are written there and read nowhere.
REPORT = CORE / "bundle.py"


@pytest.mark.parametrize("file", CORE_FILES, ids=identify)
def test_only_one_module_names_columns_and_only_one_names_files(file):
    spoken = texts(file)
    # A description of a table says how its file is usually called.
    names_of_files = set() if file == Path(formats.__file__) else FILE_NAMES
    for names, home in ((COLUMN_NAMES, formats), (names_of_files, filenames)):
        named = {name for name in names for text in spoken if name.lower() in text}
        if file == Path(home.__file__):
            assert named == names
        elif SAMPLE not in file.parents and file != REPORT:
            assert named == set()


@pytest.mark.parametrize("package", ["streamlit", "matplotlib"])
def test_importing_the_core_does_not_import_what_only_a_part_of_it_needs(package):
    code = f"import gazeheat_core.cli, sys; print({package!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    "name", [name for name in gazeheat_core.__all__ if callable(getattr(gazeheat_core, name))]
)
def test_public_names_explain_themselves(name):
    public = getattr(gazeheat_core, name)
    text = public.__doc__ or ""
    # A dataclass without a docstring shows its parameters in the place of one.
    assert text.strip()
    assert not text.startswith(f"{name}(")


def test_public_names_are_listed_once():
    assert len(gazeheat_core.__all__) == len(set(gazeheat_core.__all__))
