"""The page with the same figure in Streamlit's own chart, to compare with."""

from contextlib import asynccontextmanager

import plotly.graph_objects as go
import streamlit as st

import gazeheat_core as gh
from gazeheat_core.page import stage as room
from gazeheat_core.page.server import MIDDLEWARE, ROUTES, SCRIPT, lifespan

HEIGHT_PX = 640


def stage(opened, heatmap, look, words):
    """Show the figure as `room.stage` does, in ``st.plotly_chart``."""
    size = opened.export.image.size
    figure = gh.overlay_figure(heatmap, size, opened.ground, look)
    st.plotly_chart(
        go.Figure(figure, _validate=False),
        height=HEIGHT_PX,
        key="overlay",
        config={"displayModeBar": False},
        alt=words,
    )


@asynccontextmanager
async def in_its_place(app):
    """Once this is served, and not where it is only imported, put the plain chart in place."""
    # The page's script takes its parts anew with each run.
    room.stage = stage
    room.prepare_stage = lambda: None
    async with lifespan(app):
        yield


app = st.App(SCRIPT, routes=ROUTES, middleware=MIDDLEWARE, lifespan=in_its_place)
