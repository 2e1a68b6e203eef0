"""``gazeheat page``: its arguments, its settings, and how it starts and ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from streamlit import config

from gazeheat_core.page.command import main, read_settings

ROOT = Path(__file__).parents[1]
# The longest that a start may take on a busy machine; nothing waits so long.
PATIENCE_S = 60


@pytest.fixture(autouse=True)
def no_settings_of_the_tester(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("STREAMLIT_", "GAZEHEAT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    # What the command makes of the settings shall not be those of the tests behind it.
    monkeypatch.setattr(config, "_config_options", None)


@contextmanager
def listening(address="127.0.0.1"):
    """Take a port; yields its number."""
    with socket.create_server((address, 0)) as taken:
        yield taken.getsockname()[1]


# --- What is told before the server starts -------------------------------------------


def refused(capsys, *arguments):
    """Run without success; return the one line that says why."""
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert printed.err.startswith("gazeheat: ")
    assert printed.err.endswith(".\n")
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("gazeheat: ").rstrip()


def test_a_port_in_use_is_said_with_another_one(capsys):
    with listening() as port:
        words = refused(capsys, "--port", port)
    assert words == (
        f"Port {port} on 127.0.0.1 is in use. The page may be open there already; "
        f"otherwise give another port, such as --port {port + 1}."
    )


def test_a_port_of_the_environment_that_is_in_use_is_said_as_well(capsys, monkeypatch):
    with listening() as port:
        monkeypatch.setenv("STREAMLIT_SERVER_PORT", str(port))
        assert f"Port {port} on 127.0.0.1 is in use." in refused(capsys)


@pytest.mark.parametrize("port", [-1, 65536, 99999999999])
def test_a_port_out_of_range_is_said_with_the_range(capsys, port):
    assert refused(capsys, f"--port={port}") == (
        f"The port is {port}. Give a --port from 1 to 65535, or 0 for any that is free."
    )


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "no such name", "", "unix:///a"])
def test_an_address_of_another_machine_is_said_with_those_that_work(capsys, address):
    assert refused(capsys, "--port=0", f"--address={address}") == (
        f"This machine has no address '{address}'. Give --address 127.0.0.1 for this machine "
        "only, 0.0.0.0 for every network, or one of its own addresses."
    )


def test_a_port_that_is_kept_for_the_system_is_said(capsys, monkeypatch):
    def forbid(*given, **named):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", forbid)
    assert refused(capsys, "--port=80") == (
        "Port 80 on 127.0.0.1 is kept for the system. Give a port from 1024 on with --port."
    )


@pytest.mark.parametrize("kind", ["missing", "a file"])
@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_folder_of_exports_that_is_none_is_named(capsys, tmp_path, monkeypatch, kind, how):
    place = tmp_path / "studies"
    if kind == "a file":
        place.write_bytes(b"")
    if how == "environment":
        monkeypatch.setenv("GAZEHEAT_DATA", str(place))
    assert refused(capsys, *(["--data", place] if how == "option" else [])) == (
        f"{place}: there is no such folder, or it cannot be read. "
        "Give the folder that holds the exports with --data."
    )


def test_a_place_where_no_studies_can_be_kept_is_named(capsys, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert refused(capsys, "--cache", file / "histograms") == (
        f"{file / 'histograms'}: no studies can be kept there, since {file} is no folder that "
        "you may write to. Give another folder with --cache."
    )


def test_a_setting_of_the_environment_that_makes_no_sense_is_named(capsys, monkeypatch):
    monkeypatch.setenv("STREAMLIT_SERVER_PORT", "many")
    words = refused(capsys)
    assert words.startswith("In the environment: ")
    assert "STREAMLIT_SERVER_PORT" in words
    assert "'many'" in words


def test_settings_that_contradict_each_other_are_said(capsys, monkeypatch):
    monkeypatch.setenv("STREAMLIT_GLOBAL_DEVELOPMENT_MODE", "true")
    words = refused(capsys, "--port=8502")
    assert words.startswith("The settings contradict each other: server.port does not work")
    assert ".streamlit/config.toml" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "many"], ["--port", "'many'"]),
        (["--prot", "8502"], ["--prot"]),
        (["export.zip"], ["export.zip"]),
        (["--scheduler"], ["--scheduler"]),
    ],
)
def test_arguments_that_are_none_are_named_with_the_usage(capsys, arguments, words):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("usage: gazeheat page [-h] [--port N]")
    for word in words:
        assert word in printed


# --- Settings ------------------------------------------------------------------------

# What Streamlit would then go by, as a line of JSON.
SETTINGS = """
import json, sys
from streamlit import config
from streamlit.web import bootstrap
{}
options = {{name: one.value for name, one in config.get_config_options().items()}}
print(json.dumps(options, default=str))
"""
AS_THE_COMMAND = "from gazeheat_core.page.command import read_settings\nread_settings({})"
AS_STREAMLIT_RUN = f"""
from streamlit.web.cli import main_run
config._main_script_path = {str(ROOT / "app.py")!r}
given = main_run.make_context("run", [config._main_script_path]).params
bootstrap.load_config_options({{k: v for k, v in given.items() if k not in ("target", "args")}})
"""


def settings(way, folder, **environment):
    """Return all options of Streamlit, as they are when the page is started in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", SETTINGS.format(way)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture
def elsewhere(tmp_path):
    """A folder whose owner has settings for a page of their own."""
    (tmp_path / "elsewhere" / ".streamlit").mkdir(parents=True)
    (tmp_path / "elsewhere" / ".streamlit" / "config.toml").write_text(
        '[server]\nmaxMessageSize = 300\naddress = "0.0.0.0"\n[browser]\ngatherUsageStats = true\n'
        '[theme]\nfont = "serif"\n[theme.light]\nprimaryColor = "#ff0000"\n'
    )
    return tmp_path / "elsewhere"


@pytest.mark.parametrize("name", ["nothing", "a port, a size and names"])
def test_the_command_and_streamlit_run_go_by_the_same_settings(elsewhere, name):
    environment = {} if name == "nothing" else {
        "STREAMLIT_SERVER_PORT": "8601",
        "STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "5",
        "STREAMLIT_SERVER_ALLOWED_HOSTS": "127.0.0.1 eye.lab.example",
        "STREAMLIT_THEME_LIGHT_PRIMARY_COLOR": "#00ff00",
    }  # fmt: skip
    command = settings(AS_THE_COMMAND.format(""), elsewhere, **environment)
    clone = settings(AS_STREAMLIT_RUN, elsewhere, **environment)
    # The command prints one line of its own in the place of Streamlit's greeting; the secret is
    # made at each start, and a clone has one place more for files of secrets.
    assert command["logger.hideWelcomeMessage"]
    for one in ("logger.hideWelcomeMessage", "server.cookieSecret", "secrets.files"):
        del command[one], clone[one]
    assert command == clone


def test_the_page_s_own_settings_come_before_other_files_and_the_environment_first(elsewhere):
    found = settings(AS_THE_COMMAND.format(""), elsewhere)
    assert found["server.address"] == "127.0.0.1"
    assert found["browser.gatherUsageStats"] is False
    assert found["theme.light.primaryColor"] == "#1f4e79"
    # What the page does not set, the other file does.
    assert found["server.maxMessageSize"] == 300
    assert found["theme.font"] == "serif"
    environment = {"STREAMLIT_SERVER_ADDRESS": "::", "STREAMLIT_SERVER_PORT": "8601"}
    found = settings(AS_THE_COMMAND.format(""), elsewhere, **environment)
    assert (found["server.address"], found["server.port"]) == ("::", 8601)
    found = settings(AS_THE_COMMAND.format("8602, '127.0.0.2'"), elsewhere, **environment)
    assert (found["server.address"], found["server.port"]) == ("127.0.0.2", 8602)


@pytest.mark.parametrize(
    ("address", "names", "added"),
    [
        ("127.0.0.1", [], []),
        ("10.0.0.7", [], ["10.0.0.7"]),
        ("0.0.0.0", [], []),
        ("0.0.0.0", ["eye.lab.example", "eye"], ["eye.lab.example", "eye"]),
    ],
)
def test_names_are_added_to_those_that_are_answered(address, names, added):
    known = read_settings(None, address, names)["server.allowedHosts"]
    assert sorted(known) == sorted(["localhost", "127.0.0.1", "::1", *added])


# --- Start and end -------------------------------------------------------------------


@contextmanager
def started(folder, *arguments, **environment):
    """Run the command; yields the process and its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gazeheat_core", "page", "--port=0", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # Without it, a server that never answers would hold up the tests.
    timer = threading.Timer(PATIENCE_S, process.kill)
    timer.start()
    try:
        yield process, process.stdout.readline()
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


SIGNALS = [] if os.name != "posix" else [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_it_prints_its_address_and_a_signal_ends_it_in_one_line(tmp_path, number):
    with started(tmp_path) as (process, line):
        said = r"Open (http://127\.0\.0\.1:\d+) in a browser\. Ctrl\+C ends the page\.\n"
        address = re.fullmatch(said, line)[1]
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=PATIENCE_S) as answer:
            assert answer.status == 200
        os.killpg(process.pid, number)
        printed, warned = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, printed, warned) == (128 + number, "", "gazeheat: Stopped.\n")


def test_the_start_page_has_its_own_title_and_icon_under_any_path(tmp_path):
    environment = {"STREAMLIT_SERVER_BASE_URL_PATH": "/eye/"}
    with started(tmp_path, "--address=0.0.0.0", **environment) as (_, line):
        address = line.split()[1]
        assert address.startswith("http://127.0.0.1:")
        assert address.endswith("/eye")
        with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
            html = answer.read().decode()
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["x-frame-options"] == "DENY"
        assert "<title>Gazeheat</title>" in html
        assert "Streamlit</title>" not in html
        assert 'href="./favicon.png"' in html
        with urllib.request.urlopen(f"{address}/favicon.png", timeout=PATIENCE_S) as answer:
            assert answer.headers["content-type"] == "image/png"
            assert answer.read() == (ROOT / "gazeheat_core" / "page" / "icon.png").read_bytes()


@pytest.mark.parametrize("arguments", [["page", "--help"], ["--help"]])
def test_every_terminal_can_show_the_help_and_it_needs_no_streamlit(tmp_path, arguments):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gazeheat_core", *arguments],
        cwd=tmp_path,
        env={
            **os.environ, "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0", "LC_ALL": "C",
        },
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.decode("ascii").startswith("usage: gazeheat ")
    assert b"gazeheat page" in done.stdout
    loaded = [line.split(b"|")[-1].strip() for line in done.stderr.splitlines()]
    assert b"gazeheat_core.cli" in loaded
    assert b"streamlit" not in loaded
