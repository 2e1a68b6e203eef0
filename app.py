"""Start the page: ``streamlit run app.py``."""

import streamlit as st

from gazeheat_core.page.server import MIDDLEWARE, ROUTES, SCRIPT, lifespan

app = st.App(SCRIPT, routes=ROUTES, middleware=MIDDLEWARE, lifespan=lifespan)
