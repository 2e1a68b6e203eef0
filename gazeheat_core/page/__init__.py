"""The page: all that knows Streamlit.

``app.py`` starts it. `server` is what answers beside Streamlit, `session` what one
visitor holds, `incoming` how files come in, `main` the script that lays out the page.
"""
