"""The whole story without a clone: a wheel, an empty environment, another folder."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import urllib.error
import urllib.request
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import DESKTOP, ROOT, download, line, open_sample, photograph
from tests.browser.screenshot import ICON_TARGET, draw_icon

# Building takes some seconds, a start as long; a busy machine may need more.
PATIENCE_S = 120
# What a run of the tests or of the page leaves in a clone.
LEFT = (".git", ".venv", ".*_cache", "__pycache__", "build", "dist", "*.egg-info")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of what stands here, built from a copy so that no build is left in the clone."""
    if int(version("setuptools").split(".")[0]) < 77:
        words = "pip install 'setuptools>=77' builds the wheel"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(words)
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(*LEFT))
    pip(
        "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
        "--wheel-dir", folder, folder / "source",
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def installed(wheel, tmp_path):
    """The commands of an environment with the wheel; its dependencies are this one's.

    That those which are declared suffice, the test of the README's first command shows.
    """
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=os.name == "posix")
    where = sysconfig.get_paths("venv", {"base": str(folder), "platbase": str(folder)})
    pip(
        "--python", Path(where["scripts"], Path(sys.executable).name),
        "install", "--quiet", "--no-deps", "--no-index", wheel,
    )  # fmt: skip
    # In folders that are named here, no further ones are named: nothing leads to the clone.
    shared = [folder for folder in sys.path if Path(folder).name.endswith("-packages")]
    Path(where["purelib"], "dependencies.pth").write_text("\n".join(shared))
    return Path(where["scripts"])


def test_the_wheel_carries_all_that_the_page_needs_and_no_tests(wheel):
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        settings = packed.read("gazeheat_core/page/dot_streamlit/config.toml")
        entry_points = packed.read("gazeheat-0.1.0.dist-info/entry_points.txt").decode()
    package = ROOT / "gazeheat_core"
    files = {path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    ours = {path.relative_to(ROOT).as_posix() for path in files}
    assert {name for name in names if not name.startswith("gazeheat-0.1.0.dist-info/")} == (
        ours | {"gazeheat_core/page/dot_streamlit/config.toml"}
    )
    assert {
        "gazeheat_core/page/main.py",
        "gazeheat_core/page/downloads.css",
        "gazeheat_core/page/downloads.js",
        "gazeheat_core/page/icon.png",
    } <= names
    assert settings == (ROOT / ".streamlit" / "config.toml").read_bytes()
    assert "gazeheat = gazeheat_core.__main__:run" in entry_points


def test_the_icon_is_the_drawing_that_is_kept(browser):
    kept = np.asarray(Image.open(ICON_TARGET).convert("RGBA"), float)
    drawn = np.asarray(Image.open(io.BytesIO(draw_icon(browser))).convert("RGBA"), float)
    # Another Chromium may smooth edges and gradients a little otherwise.
    assert np.abs(kept - drawn).mean() < 2


def test_an_installed_page_serves_the_sample_from_any_folder(installed, tmp_path, browser):
    folder = tmp_path / "elsewhere"
    (folder / "studies").mkdir(parents=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("STREAMLIT_", "GAZEHEAT_", "PYTHON"))
    }
    subprocess.run(
        [installed / "gazeheat", "sample", "studies/Kept.zip"],
        cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    log = tmp_path / "log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [installed / "gazeheat", "page", "--port=0", "--data=studies", "--cache=kept"],
            cwd=folder,
            env={**environment, "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
            start_new_session=True,
        )
    # Without it, a server that never answers would hold up the tests.
    timer = threading.Timer(PATIENCE_S, server.kill)
    timer.start()
    try:
        said = server.stdout.readline()
        assert said, f"the command has ended:\n{log.read_text()}"
        address = re.search(r"http://127\.0\.0\.1:\d+", said)[0]
        visit(browser, address)
        refuses_other_names(address)
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait(PATIENCE_S) == 130
        assert server.stdout.read() == ""
    finally:
        timer.cancel()
        server.kill()
        server.wait()
        server.stdout.close()
    # What was opened and drawn, and nothing else: no warning, no trace, no name.
    when, took = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", r"\d+\.\d s\n"
    opened = rf"{when} opened a study: Reference Image Mapper, 4 recordings, [\d,]+ rows, {took}"
    drew = rf"{when} drew heatmap, 2000 x 1500 px, {took}"
    assert re.fullmatch(f"{opened}{drew}{opened}gazeheat: Stopped.\n", log.read_text())
    assert sorted(path.name for path in folder.iterdir()) == ["kept", "studies"]


def visit(browser, address):
    """Look at the page, the sample, a download and a study of the server's folder."""
    visitor = browser.new_context(viewport=DESKTOP, color_scheme="dark", accept_downloads=True)
    visitor.set_default_timeout(1000 * PATIENCE_S)
    page = visitor.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    # Every title and icon that the browser is told, from the first on.
    page.add_init_script("""
        window.seen = new Set();
        new MutationObserver(() => {
            const icon = document.querySelector("link[rel~=icon]")?.href;
            if (document.title && icon) seen.add(`${document.title} ${new URL(icon).pathname}`);
        }).observe(document, { subtree: true, childList: true, attributes: true });
    """)
    page.goto(address)
    open_sample(page)
    assert "samples of 4 recordings" in line(page).inner_text()
    assert page.evaluate("[...seen]") == [
        "Gazeheat /favicon.png",
        "Shop shelf · Gazeheat /favicon.png",
    ]
    # The dark theme of .streamlit/config.toml.
    assert photograph(page).getpixel((3, DESKTOP["height"] - 3)) == (0x14, 0x17, 0x1B)
    name, data = download(page, "heatmap")
    assert name.endswith("_heatmap_4-of-4_scale-5.png")
    assert Image.open(io.BytesIO(data)).mode == "RGBA"
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("combobox", name=re.compile("Or a study on this server")).click()
    page.get_by_role("option", name=re.compile("Kept.zip")).click()
    page.get_by_role("button", name="Open study").click()
    assert "samples of 4 recordings" in line(page).inner_text()
    # No statistics of use, no fonts, nothing: all comes from this server.
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {address[7:]}
    assert not errors
    # The page stays open, as it may when its server ends.


def refuses_other_names(address):
    request = urllib.request.Request(address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=PATIENCE_S)
    with refused.value as answer:
        assert answer.code == 421
        assert "--allow-host NAME" in answer.read().decode()
