"""``gazeheat page``: the page on a server of its own, from wherever it is installed.

Its settings are those of ``.streamlit/config.toml``, which `streamlit run app.py` reads in
a clone and which a wheel carries. They come before any other file of settings that
Streamlit reads, in both ways alike; ``STREAMLIT_…`` in the environment and the options of
the command come before them.
"""

from __future__ import annotations

import argparse
import errno
import os
import socket
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gazeheat_core.cli import Parser, exit_status
from gazeheat_core.errors import SettingError
from gazeheat_core.stopping import stop_on_signals

# In a wheel, and in a clone.
_SETTINGS_FILES = (
    Path(__file__).parent / "dot_streamlit" / "config.toml",
    Path(__file__).parents[2] / ".streamlit" / "config.toml",
)
MOST_PORTS = 65_535
# These listen to every network that the machine is in.
_EVERY_ADDRESS = ("0.0.0.0", "::")
_THIS_MACHINE = "127.0.0.1"

_DESCRIPTION = """\
Start the page and print the address to open in a browser. Ctrl+C ends it.
It answers this machine only, unless --address says otherwise."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``gazeheat page``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``page``; None for this process's own.

    Returns
    -------
    int
        The exit status.
    """
    given = sys.argv[2:] if arguments is None else arguments
    return exit_status(lambda: _serve(_parser().parse_args(given)))


def _parser() -> argparse.ArgumentParser:
    # Plain ASCII, which every terminal can show.
    parser = Parser(
        prog="gazeheat page",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, metavar="N", help="default 8501; 0 takes any that is free")
    add(
        "--address",
        metavar="ADDRESS",
        help=f"of this machine, where it listens (default {_THIS_MACHINE}; "
        f"{_EVERY_ADDRESS[0]} for every network)",
    )
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that visitors write in the address bar; may be given several times",
    )
    for option, metavar, words in (
        ("--data", "DIR", "offer the exports in this folder"),
        ("--cache", "DIR", "keep what was read of those exports there"),
        ("--scheduler", "tcp://HOST:PORT", "read those exports on a Dask cluster"),
    ):
        name = _variable(option)
        add(
            option,
            default=os.environ.get(name, ""),
            metavar=metavar,
            help=f"{words} (default: {name} in the environment)",
        )
    return parser


def _variable(option: str) -> str:
    """Return the name in the environment where the page looks for an option."""
    return f"GAZEHEAT_{option.removeprefix('--').upper()}"


def _serve(options: argparse.Namespace) -> None:
    """Serve the page until a signal ends the process."""
    _check_folders(options.data, options.cache)
    for option in ("--data", "--cache", "--scheduler"):
        if value := getattr(options, option.removeprefix("--")):
            os.environ[_variable(option)] = value
    settings = read_settings(options.port, options.address, options.allow_host)
    _check_free(settings["server.address"], settings["server.port"])

    import streamlit as st

    # The routes depend on the settings when they are loaded.
    from gazeheat_core.page.server import MIDDLEWARE, ROUTES, SCRIPT, lifespan

    @asynccontextmanager
    async def announced(app: st.App) -> AsyncIterator[None]:
        async with lifespan(app):
            # The server listens by now. Its own handlers wait until every browser has gone;
            # nothing here needs that.
            stop_on_signals(writes_files=False)
            print(f"Open {_url()} in a browser. Ctrl+C ends the page.", flush=True)
            yield

    st.App(SCRIPT, routes=ROUTES, middleware=MIDDLEWARE, lifespan=announced).run(config=settings)


# --- Settings ------------------------------------------------------------------------


def read_settings(
    port: int | None = None, address: str | None = None, allow_hosts: Sequence[str] = ()
) -> dict[str, Any]:
    """Return Streamlit's settings for the page, and have Streamlit take them.

    Parameters
    ----------
    port : int
        None for the port of the environment, or 8501.
    address : str
        Where the server listens; None for the address of the environment, or this machine.
    allow_hosts : sequence of str
        Names that are answered to, beside those of the settings and `address`.

    Returns
    -------
    dict of str to value
        By name, such as ``server.port``.

    Raises
    ------
    SettingError
        When a value makes no sense.
    """
    from streamlit.web import bootstrap

    settings = {**_own_settings(), **_environments_settings()}
    if address is not None:
        settings["server.address"] = address
    if port is not None:
        settings["server.port"] = port
    names = [*settings["server.allowedHosts"], *allow_hosts]
    if settings["server.address"] not in _EVERY_ADDRESS:
        names.append(settings["server.address"])
    settings["server.allowedHosts"] = list(dict.fromkeys(names))
    settings["logger.hideWelcomeMessage"] = True
    try:
        bootstrap.load_config_options(settings)
    except RuntimeError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise SettingError(
            f"The settings contradict each other: {reason}. Look for it in the environment "
            "(STREAMLIT_...) and in .streamlit/config.toml of this folder and the home folder."
        ) from None
    from streamlit import get_option

    # A port that is not set would be another one where it is in use.
    settings.setdefault("server.port", get_option("server.port"))
    if not 0 <= settings["server.port"] <= MOST_PORTS:
        raise SettingError(
            f"The port is {settings['server.port']}. Give a --port from 1 to {MOST_PORTS}, "
            "or 0 for any that is free."
        )
    return settings


def _own_settings() -> dict[str, Any]:
    """Return what the page's own file of settings says."""
    path = next(filter(Path.is_file, _SETTINGS_FILES), None)
    if path is None:
        raise SettingError(
            f"{_SETTINGS_FILES[0]}: the page's settings are missing. Install gazeheat again."
        )
    return dict(_flat(tomllib.loads(path.read_text(encoding="utf-8"))))


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _environments_settings() -> dict[str, Any]:
    """Return what ``STREAMLIT_…`` in the environment says, as ``streamlit run`` takes it."""
    import click
    from streamlit.web.cli import main_run

    try:
        context = main_run.make_context("streamlit run", [__file__])
    except click.ClickException as error:
        raise SettingError(f"In the environment: {error.format_message()}") from None
    options = [one.name for one in main_run.params if isinstance(one, click.Option) and one.name]
    found = {name.replace("_", "."): context.params.get(name) for name in options}
    return {name: value for name, value in found.items() if value not in (None, ())}


def _url() -> str:
    """Return the address to open, once the server listens."""
    from streamlit import get_option

    scheme = "https" if get_option("server.sslCertFile") else "http"
    host = get_option("server.address")
    if host in _EVERY_ADDRESS:
        host = _THIS_MACHINE
    elif ":" in host:
        host = f"[{host}]"
    base = get_option("server.baseUrlPath").strip("/")
    return f"{scheme}://{host}:{get_option('server.port')}{'/' + base if base else ''}"


# --- What can be told before the server starts -----------------------------------------


def _check_folders(data: str, cache: str) -> None:
    if data and not (os.path.isdir(data) and os.access(data, os.R_OK | os.X_OK)):
        raise SettingError(
            f"{data}: there is no such folder, or it cannot be read. "
            "Give the folder that holds the exports with --data."
        )
    if cache:
        # It is made with the first study that is kept.
        place = Path(cache).absolute()
        there = next(folder for folder in (place, *place.parents) if folder.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            raise SettingError(
                f"{cache}: no studies can be kept there, since {there} is no folder that "
                "you may write to. Give another folder with --cache."
            )


def _check_free(address: str, port: int) -> None:
    """Try the place where the server will listen: Streamlit would only log what is wrong."""
    is_six = ":" in address
    try:
        if not address:  # would stand for every address
            raise OSError(errno.EADDRNOTAVAIL, "")
        socket.create_server(
            (address, port),
            family=socket.AF_INET6 if is_six else socket.AF_INET,
            dualstack_ipv6=address == "::" and socket.has_dualstack_ipv6(),
        ).close()
    except (OSError, UnicodeError) as error:  # a name may have no form that networks know
        code = error.errno if isinstance(error, OSError) else None
        if code == errno.EADDRINUSE:
            other = port + 1 if port < MOST_PORTS else port - 1
            raise SettingError(
                f"Port {port} on {address} is in use. The page may be open there already; "
                f"otherwise give another port, such as --port {other}."
            ) from None
        if code == errno.EACCES:
            raise SettingError(
                f"Port {port} on {address} is kept for the system. "
                "Give a port from 1024 on with --port."
            ) from None
        raise SettingError(
            f"This machine has no address '{address}'. Give --address {_THIS_MACHINE} for this "
            f"machine only, {_EVERY_ADDRESS[0]} for every network, or one of its own addresses."
        ) from None
