"""The README's lines for nginx, tried: the page behind it, at the root and below a path."""

import re
import shutil
import subprocess
import urllib.request
import zipfile
from contextlib import contextmanager
from urllib.parse import urljoin

import pytest
from PIL import Image

from tests import builders
from tests.browser.conftest import (
    DESKTOP,
    PATIENCE_S,
    ROOT,
    answers,
    download,
    drawn,
    free_port,
    open_sample,
    serving,
    wait_for,
)

UPLOAD_BYTES = 300 * 2**20
# What stands around a server's lines. All that nginx writes goes into the folder.
AROUND = """
daemon off; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 100; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        {lines}
    }}
}}
"""


def readme_lines(below, port):
    """The README's lines for a server, with the path and the port of this one."""
    (lines,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert (lines.count("location / {"), lines.count("127.0.0.1:8501")) == (1, 1)
    place = f"/{below}/" if below else "/"
    return lines.replace("location / {", f"location {place} {{").replace("8501", str(port))


@contextmanager
def nginx(folder, below, behind_port):
    """Run nginx before the page, once it answers; yields its address."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("no nginx found: apt-get install nginx-light")
    port, log = free_port(), folder / "error.log"
    lines = readme_lines(below, behind_port)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, port=port, lines=lines))
    process = subprocess.Popen([program, "-e", log, "-c", folder / "nginx.conf"])
    try:
        wait_for(process, port, below, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def is_zipped(address):
    """Whether a browser gets what is at an address zipped, once."""
    asked = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
        return answer.headers.get_all("Content-Encoding") == ["gzip"]


@pytest.fixture(scope="module")
def large_export(tmp_path_factory):
    """An export of 300 MB, most of it a film that nobody needs."""
    path = builders.export_zip(tmp_path_factory.mktemp("large") / "Large.zip", name="Large")
    with zipfile.ZipFile(path, "a") as archive, archive.open("scene.mp4", "w") as film:
        for _ in range(UPLOAD_BYTES // 2**20):
            film.write(bytes(2**20))
    return path


@pytest.mark.parametrize("below", ["", "eye"])
def test_the_page_lives_behind_nginx(browser, tmp_path, below, large_export):
    with serving(tmp_path, below=below) as behind:
        port = int(re.search(r":(\d+)", behind)[1])
        with nginx(tmp_path, below, port) as front:
            address = f"{front}/{below}/" if below else f"{front}/"
            visitor = browser.new_context(viewport=DESKTOP)
            visitor.set_default_timeout(1000 * PATIENCE_S)
            page = visitor.new_page()
            page.goto(address)
            open_sample(page)
            loaded = page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
            scripts = [one for one in loaded if re.search(r"\.(js|css)$", one)]
            assert any("/script/plotly-" in one for one in scripts)
            assert [one for one in scripts if not is_zipped(one)] == []
            assert is_zipped(urljoin(address, "_stcore/host-config"))
            for what, mode in (("heatmap", "RGBA"), ("overlay", "RGB")):
                name, data = download(page, what)
                (tmp_path / name).write_bytes(data)
                with Image.open(tmp_path / name) as image:
                    assert (image.size, image.mode) == ((2000, 1500), mode)
            if below:  # once is enough
                page.get_by_role("button", name="Add files").click()
                source = page.get_by_test_id("stPopoverBody")
                source.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(large_export)
                shown = page.get_by_role("figure", name=re.compile("reference image of Large"))
                shown.wait_for(timeout=1000 * 3 * PATIENCE_S)
                drawn(page)
            visitor.close()
            # Nothing that a visitor sent or got was put on the disk on its way.
            assert "buffered to a temporary file" not in (tmp_path / "error.log").read_text()
            assert answers(f"{address}_stcore/health")
