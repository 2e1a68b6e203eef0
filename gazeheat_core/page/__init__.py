"""The page: the only part that imports Streamlit, beside ``app.py``, which starts it.

`main` is the script that lays out the page. It calls the rooms: `welcome` (the empty page),
`bar` (the open studies), `missing` (a study without a picture), `recordings` (the boxes),
`look` (the settings) and `downloads`. Below them are `frame` (what every state of the page
has), `incoming` (how files come in), `session` (what one visitor holds), `server` (what is
answered beside Streamlit) and `markup` (names as text).
"""
