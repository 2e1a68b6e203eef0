"""The whole story from outside: a clone, an empty environment, the README's first command."""

import os
import re
import shutil
import signal
import socket
import subprocess

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ROOT, answers, line, open_sample

# Installing takes a minute or two; a machine that needs longer has another problem.
INSTALL_PATIENCE_S = 600


@pytest.fixture
def clone(tmp_path):
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no git checkout, so it cannot be cloned")
    target = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    return target


def first_command(clone):
    """The command of the README's first block."""
    readme = (clone / "README.md").read_text(encoding="utf-8")
    return re.search(r"```sh\n(.+?)\n```", readme)[1]


def empty_environment(port):
    """What a new account has, and the way to the packages; only the port is chosen."""
    kept = {"PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy"}
    ours = {name: v for name, v in os.environ.items() if name in kept or name.startswith("PIP_")}
    # A test runner's own virtual environment is not part of a new machine.
    path = [p for p in ours["PATH"].split(os.pathsep) if not p.startswith(str(ROOT))]
    # To compile every library takes 20 s of a processor; the page imports a part of them. What
    # pip calls no-compile is set by a no.
    return {
        **ours,
        "PATH": os.pathsep.join(path),
        "PIP_NO_COMPILE": "no",
        "STREAMLIT_SERVER_PORT": str(port),
    }


def test_the_first_command_of_the_readme_starts_the_page(clone, browser):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = clone.parent / "log"
    with log.open("w") as out:
        server = subprocess.Popen(
            ["bash", "-c", first_command(clone)],
            cwd=clone,
            env=empty_environment(port),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        for _ in range(INSTALL_PATIENCE_S):
            if answers(f"{address}/_stcore/health"):
                break
            try:
                server.wait(1)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"the command has ended:\n{log.read_text()}")
        else:
            pytest.fail(f"the page does not answer:\n{log.read_text()}")
        page = browser.new_page()
        page.goto(address)
        open_sample(page)
        expect(line(page)).to_contain_text("samples of 4 recordings")
        page.close()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)
    assert "Traceback" not in log.read_text()
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
    )
    assert changed.stdout == "", "running it leaves files that git does not ignore"
