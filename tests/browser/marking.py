"""A page that asks for a rectangle and says which it got: python -m tests.browser.marking PORT."""

import io
import sys

import streamlit as st
from streamlit import runtime

import gazeheat_core as gh
from gazeheat_core.page.server import MIDDLEWARE, ROUTES
from gazeheat_core.page.session import Opened
from gazeheat_core.page.stage import stage
from tests import builders


def main():
    if "opened" not in st.session_state:
        upload = gh.Upload("shelf.zip", io.BytesIO(builders.export_zip()))
        (export,) = gh.read_exports(upload)
        st.session_state["opened"] = Opened(0, export)
    opened = st.session_state["opened"]
    look = gh.Look()
    st.text(stage(opened, opened.heatmap(look.scale), look, "A shelf.", asks_rectangle=True))


def serve(port):
    app = st.App(__file__, routes=ROUTES, middleware=MIDDLEWARE)
    app.run(config={"server.port": port})


if __name__ == "__main__":
    # Streamlit runs this file as the page's script once the server is there.
    main() if runtime.exists() else serve(int(sys.argv[1]))
