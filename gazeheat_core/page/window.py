"""The window: a drop anywhere, a question before it is closed, words for a lost connection."""

from __future__ import annotations

import secrets

import streamlit as st

from gazeheat_core.exports import LIMITS
from gazeheat_core.exports.sources import MIB
from gazeheat_core.page.component import component
from gazeheat_core.page.incoming import drop_exports

# Tells this process from the one before a restart.
_SERVER = secrets.token_urlsafe(9)

_GIVE_AGAIN = "Drop your export again."
_LOST = "The connection to the server is lost. Trying again…"
_WORDS = {
    "drop": "Drop to add to this page",
    "gathering": "Looking through what was dropped…",
    "reloaded": "This page was reloaded, and what was open is gone: the server keeps nothing. "
    f"{_GIVE_AGAIN}",
    "restarted": "The server was restarted, and what was open is gone: it keeps nothing. "
    f"{_GIVE_AGAIN}",
    "forgotten": "The connection was lost for too long, and what was open is gone: the server "
    f"keeps nothing. {_GIVE_AGAIN}",
    "lost": _LOST,
    "back": "The connection is back.",
    "again": "The connection is back. What had not arrived is sent again.",
    "cut": "The connection was lost before all files had arrived. Trying again… They are sent "
    "anew once it is back; keep this page open.",
    "notArrived": "Not all files have arrived. Remove those that are marked, then give them "
    f"again; the server takes {LIMITS.upload_bytes // MIB:,} MB at a time.",
    "notReady": "The page is not ready for files yet. Drop them again in a moment.",
    "empty": "There is no file in what was dropped. Drop the folder of the export with all its "
    "files, or the ZIP as it was downloaded.",
    "unreadable": "Some of what was dropped cannot be read. Check that the files are still there "
    "and that you may open them, then drop them again.",
    "tooMany": f"The folder holds more than {LIMITS.entries:,} files. Drop the folders of the "
    "exports one after the other.",
    "tooLarge": f"The folder holds more than {LIMITS.upload_bytes // MIB:,} MB. Drop the folders "
    "of the exports one after the other.",
}


def watch_window(*, holds_study: bool) -> None:
    """Let the browser take a drop anywhere, ask before it closes, and say what was lost."""
    # The session's own name: a session that comes back has it still.
    state = st.session_state
    visit = state.setdefault("window-visit", secrets.token_urlsafe(9))
    kept_s = st.get_option("server.disconnectedSessionTTL")
    data = {
        "server": _SERVER,
        "visit": visit,
        "holds": holds_study,
        "returns": state.get("window-returns", 0),
        "mostFiles": LIMITS.entries,
        "mostBytes": LIMITS.upload_bytes,
        "words": {**_WORDS, "lostHolding": f"{_LOST} What is open is kept for {kept_s:,} seconds."},
    }
    component("window", isolate_styles=False)(data=data, key="window", on_back_change=_count_return)


def _count_return() -> None:
    st.session_state["window-returns"] = st.session_state.get("window-returns", 0) + 1


def take_drops() -> None:
    """Take what is dropped anywhere on a page that shows a study.

    The page's style shows this uploader only while files are on their way.
    """
    with st.container(key="dropped"):
        drop_exports("Files on their way", place="dropped")
