"""The page: recordings to tick, settings, the picture with its heatmap, two downloads.

It only arranges; what is computed is computed in the core. Read it from top to bottom:
the empty page, the loaded page, the workbench. Streamlit runs this file as a script for
every visitor, again with each act of theirs.

Everything a person brings lives in that person's session and nowhere else. What a tick
or a slider touches runs in one fragment and works on the bin grid.
"""

from __future__ import annotations

import gc
import io
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from threadpoolctl import threadpool_limits

import gazeheat_core as gh
from gazeheat_core.figure import BAR_WIDTH_PX, MARGIN_PX
from gazeheat_core.model import MAX_SCALE, ColormapName
from gazeheat_core.page.downloads import downloads
from gazeheat_core.page.incoming import (
    choose_from_server,
    give_picture,
    open_sample,
    sample_bytes,
    take_uploads,
)
from gazeheat_core.page.markup import plain
from gazeheat_core.page.session import Opened, greet, my_study, return_memory, words

Parameters = ParamSpec("Parameters")

TITLE = "Gazeheat"
# Boxes shown at a time; with more recordings than that, a filter and pages appear.
RECORDINGS_AT_A_TIME = 100
LONG_NAME = 30

COLORMAP_TITLES: dict[ColormapName, str] = {
    "turbo": "Turbo",
    "viridis": "Viridis",
    "magma": "Magma",
    "inferno": "Inferno",
    "cividis": "Cividis",
    "jet": "Jet",
    "greys": "Greys",
}

COUNTS_HELP = """
Every row of the file's gaze is in one of these:

- **samples**: on the picture; these make the heatmap, each counting once
- **outside**: detected, but beyond the picture's borders
- **undetected**: the gaze was not on the reference image, or not found
- **unreadable**: a cell that is no number
- **not ticked**: belongs to recordings without a tick
"""

# Streamlit has no setting for these. The picture is as large as the window allows: its
# width follows the column or, where the window is low, the height that is left.
STYLE = f"""
<style>
[data-testid="stMainBlockContainer"] {{ padding: 2.4rem 3rem 1rem; }}
[data-testid="stHeader"] {{ height: 2.4rem; background: transparent; }}
.st-key-bar h3 {{ white-space: nowrap; padding: 0 1rem 0 0; }}
.st-key-bar [data-testid="stMarkdownContainer"] {{ margin: 0; }}
.st-key-stage {{ container-type: inline-size; --left-over: max(100vh - 15rem, 16rem); }}
.st-key-stage > :has(> .st-key-picture) {{
  --frame: {2 * MARGIN_PX}px;
  --bar: {BAR_WIDTH_PX}px;
  width: min(100cqw, (var(--left-over) - var(--frame)) * var(--aspect) + var(--bar)) !important;
  height: min(var(--left-over), (100cqw - var(--bar)) / var(--aspect) + var(--frame)) !important;
  flex: none !important;
}}
.st-key-picture .colorbar text {{ fill: currentColor !important; }}
[data-testid="stCaptionContainer"] {{ opacity: 0.75; }}
.st-key-recordings label p {{
  line-height: 1.35;
  overflow-wrap: anywhere;
  font-size: 0.875rem;
  color: color-mix(in srgb, currentColor 75%, transparent);
}}
.st-key-recordings label p::first-line {{ font-size: 1rem; color: CanvasText; }}
.st-key-recordings [data-testid="stCheckbox"] label {{ align-items: flex-start; }}
.st-key-recordings [class*="st-key-tick-"] {{
  padding-bottom: 5px;
  --ink: color-mix(in srgb, currentColor 45%, transparent);
  background: linear-gradient(var(--ink), var(--ink)) no-repeat 1.5rem 100%;
  background-size: calc((100% - 1.5rem) * var(--share, 0)) 2px;
}}
@media (max-width: 1000px) {{
  [data-testid="stMainBlockContainer"] {{ padding: 2.4rem 1rem 1rem; }}
  .st-key-stage {{ --left-over: 80vh; }}
  .st-key-workbench > * > [data-testid="stHorizontalBlock"] {{ flex-direction: column-reverse; }}
  .st-key-workbench > * > * > [data-testid="stColumn"] {{ width: 100%; flex: none; }}
}}
</style>
"""


def kept(part: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Let nothing that goes wrong in a part of the page take the rest of it away.

    Streamlit's own signals, to stop or to start over, are no errors and pass.
    """

    @wraps(part)
    def run(*args: Parameters.args, **named: Parameters.kwargs) -> None:
        try:
            part(*args, **named)
        except Exception as error:
            st.error(plain(words(error)), icon=":material/error:")

    return run


@st.cache_resource(show_spinner=False)
def settle() -> None:
    """Prepare the process for many small requests, once.

    The blur's two small matrix products are done in 2 ms by one thread, and in 20 ms by
    several that have to wait for a busy processor. And Streamlit collects garbage after
    every run of the script: 65 ms, unless what the imports made is out of its sight.
    """
    threadpool_limits(1, "blas")
    gc.collect()
    gc.freeze()


@st.cache_resource(show_spinner="Drawing the sample…")
def sample_picture() -> bytes:
    """Return a JPEG of the sample's heatmap, for the empty page."""
    (export,) = gh.read_exports(gh.Upload("sample.zip", io.BytesIO(sample_bytes())))
    assert export.image is not None
    heatmap = gh.make_heatmap(gh.bin_recordings(export), export.image.size)
    overlay = gh.render(heatmap, export.image, gh.Look()).overlay
    overlay.thumbnail((1200, 1200))
    out = io.BytesIO()
    overlay.save(out, "JPEG", quality=85)
    return out.getvalue()


# --- The empty page ----------------------------------------------------------------


def uploader(label: str) -> None:
    """Show a place to drop files, and read them once they are there."""
    files = st.file_uploader(
        label,
        accept_multiple_files=True,
        key=f"uploads-{my_study().uploader}",
        help="ZIPs as downloaded, or the files of one export together. Files that are not "
        "needed are passed over.",
    )
    if files:
        take_uploads(files)


def show_problems() -> None:
    """Show what was wrong with the last files."""
    study = my_study()
    for problem in [*study.interrupted, *study.problems]:
        st.error(plain(problem), icon=":material/error:")


def centred() -> DeltaGenerator:
    """Return a column in the middle of the page."""
    return st.container(horizontal_alignment="center").container(width=900)


def empty_page() -> None:
    """Say what this is, and offer the two ways in."""
    with centred():
        st.title(TITLE, anchor=False)
        st.markdown("See where people looked: a heatmap over your reference image.")
        show_problems()
        picture, ways_in = st.columns([1.3, 1], gap="medium", vertical_alignment="center")
        picture.image(
            sample_picture(),
            width="stretch",
            alt="A shop shelf under a heatmap: red where people looked longest, clear where no "
            "one looked.",
        )
        with ways_in:
            uploader("Drop your export here")
            st.caption("or see it at work first")
            st.button("Try the sample", on_click=open_sample, width="stretch")
        choose_from_server()
        with st.expander("Where do I get the export?"):
            st.markdown(
                "1. In Pupil Cloud, open your project and its **Enrichments**. You need a "
                "*Reference Image Mapper* or a *Marker Mapper* that has finished.\n"
                "2. On the enrichment, choose **Download**.\n"
                "3. Drop the ZIP here as it is. There is no need to unpack it."
            )
        with st.expander("What happens to my data?"):
            st.markdown(
                "It goes to the server that shows this page and stays there in memory until "
                "you press *Clear* or close the page. Nothing is written to disk, nobody else "
                "who uses the page can see it, and nothing is sent anywhere."
            )


# --- The loaded page ---------------------------------------------------------------


def clear() -> None:
    """Forget everything of this session."""
    my_study().forget()
    return_memory()


def remove(number: int) -> None:
    """Forget one export."""
    my_study().remove(number)
    return_memory()


def loaded_page() -> None:
    """Show the bar with the exports, and the chosen one below it."""
    study = my_study()
    if study.newest in study.opened:
        st.session_state["export"] = study.newest
        study.newest = None
    elif st.session_state.get("export") not in study.opened:
        st.session_state["export"] = next(reversed(study.opened))
    titles = {number: opened.export.title for number, opened in study.opened.items()}
    with st.container(horizontal=True, vertical_alignment="center", key="bar"):
        st.markdown(f"### {TITLE}", width="content", anchors=False)
        number = st.selectbox(
            "Export",
            list(titles),
            format_func=titles.__getitem__,
            key="export",
            label_visibility="collapsed",
        )
        st.button(
            "Remove", on_click=remove, args=(number,), help="Forget this export; the others stay."
        )
        # A new key closes it once files were taken, so that it does not cover the picture.
        with st.popover("Add files", key=f"add-{study.uploader}"):
            uploader("Exports, or a picture for this one")
            choose_from_server()
        st.button("Clear", on_click=clear, help="Forget everything that was loaded.")
    show_problems()
    opened = study.opened[number]
    for notice in opened.export.notices:
        st.info(plain(notice), icon=":material/info:")
    if opened.export.image is None:
        picture_wanted(opened)
    else:
        workbench(number)


def picture_wanted(opened: Opened) -> None:
    """Ask for the picture that an export came without."""
    export = opened.export
    with centred():
        st.subheader("Which picture was looked at?", anchor=False)
        reason = export.image_problem or "This export holds no reference image."
        st.markdown(plain(reason))
        picture = st.file_uploader(
            "The reference image" if export.unit == "px" else "A picture of the surface",
            key=f"picture-{my_study().uploader}",
            help="A JPEG or PNG. "
            + (
                "It must be the full-size picture that the enrichment was made with, since the "
                "gaze is in its pixels."
                if export.unit == "px"
                else "It must show the whole surface and nothing else."
            ),
        )
        if picture is not None:
            give_picture(opened, picture)
        if export.unit == "normalized" and isinstance(export, gh.Export):
            st.markdown("Or draw the heatmap on a plain ground of the surface's shape:")
            width, height, use = st.columns([1, 1, 1], vertical_alignment="bottom")
            ratio = (
                width.number_input("Width", 0.1, 1000.0, 16.0),
                height.number_input("Height", 0.1, 1000.0, 9.0),
            )
            if use.button("Use plain ground", width="stretch"):
                with my_study().in_words():
                    opened.take(gh.with_ratio(export, ratio))
                st.rerun()


@st.fragment
@kept
def workbench(number: int) -> None:
    """Picker, settings and picture: all that a tick or a slider redraws.

    Streamlit keeps a fragment's arguments longer than the session's state, so it gets the
    export's number and not the export.
    """
    opened = my_study().opened.get(number)
    if opened is None:  # forgotten while the connection was lost
        st.rerun()
    with st.container(key="workbench"):
        left, right = st.columns([1, 2.7], gap="medium")
        with left:
            boxes = st.container()
            look = settings()
        # The picture before the boxes: the browser draws it while they are on their way.
        with right:
            result(opened, look)
        with boxes:
            picker(opened)


def picker(opened: Opened) -> None:
    """Show a box for each recording."""
    histograms = opened.histograms
    ticked = opened.ticked
    pooled = sum(histograms[i].counts.used for i in ticked)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Recordings**", width="content")
        st.caption(f"{len(ticked)} of {len(histograms)}", width="content")
        st.space("stretch")
        buttons = st.container(horizontal=True, width="content")
    shown = listed(opened)
    shares = {i: histograms[i].counts.used / pooled if pooled else 0.0 for i in ticked}
    for label, change in (("All", ticked.update), ("None", ticked.difference_update)):
        verb = "Tick" if label == "All" else "Untick"
        buttons.button(
            label,
            type="tertiary",
            on_click=change,
            args=(shown,),
            help=f"{verb} all recordings that are listed",
        )
    with st.container(border=True, height=310 if len(shown) > 5 else "content", key="recordings"):
        for i in shown:
            key = f"tick-{opened.number}-{i}"
            st.session_state[key] = i in ticked
            histogram = histograms[i]
            name = histogram.label
            st.checkbox(
                recording_label(histogram, shares.get(i)),
                key=key,
                on_change=toggle,
                args=(ticked, i),
                help=plain(name) if len(name) > LONG_NAME else None,
            )
        bars = (
            f".st-key-tick-{opened.number}-{i} {{ --share: {shares.get(i, 0):.4f} }}" for i in shown
        )
        st.html(f"<style>{' '.join(bars)}</style>")


def toggle(ticked: set[int], position: int) -> None:
    """Tick or untick a recording."""
    ticked ^= {position}


def listed(opened: Opened) -> list[int]:
    """Return the positions of the recordings to list; asks for a filter where there are many."""
    labels = [f"{h.label} {h.wearer} {h.id}".lower() for h in opened.histograms]
    if len(labels) <= RECORDINGS_AT_A_TIME // 8:
        return list(range(len(labels)))
    wanted = st.text_input(
        "Find a recording",
        key=f"filter-{opened.number}",
        placeholder="Find by name, wearer or id",
        label_visibility="collapsed",
    ).lower()
    found = [i for i, label in enumerate(labels) if wanted in label]
    if len(found) <= RECORDINGS_AT_A_TIME:
        return found
    pages = range(0, len(found), RECORDINGS_AT_A_TIME)
    start = st.selectbox(
        "Show",
        pages,
        format_func=lambda at: (
            f"{at + 1:,} to {min(at + RECORDINGS_AT_A_TIME, len(found)):,} of {len(found):,}"
        ),
        key=f"pages-{opened.number}",
        label_visibility="collapsed",
    )
    return found[start : start + RECORDINGS_AT_A_TIME]


def recording_label(histogram: gh.RecordingHistogram, share: float | None) -> str:
    """Return what a recording's box says: name, wearer, samples, time, share of the total.

    A screen reader says the label as it is, so it carries no markup; see `STYLE`.
    """
    label = histogram.label
    name = label if len(label) <= LONG_NAME else label[: LONG_NAME - 1] + "…"
    seconds = round(histogram.duration_ns / 1e9)
    facts = [
        *([plain(histogram.wearer)] if histogram.wearer not in ("", *label.split(" · ")) else []),
        samples(histogram.counts.used),
        f"{seconds // 60}:{seconds % 60:02}",
        "not counted" if share is None else f"{share * 100:.0f} % of the total",
    ]
    return f"{plain(name)}  \n{' · '.join(facts)}"


def settings() -> gh.Look:
    """Show the settings; they live in the page's address, so that a link keeps the look."""
    default = gh.Look()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Look**", width="content")
        st.space("stretch")
        st.button(
            "Reset",
            type="tertiary",
            on_click=reset_settings,
            help="Back to scale 5, opacity 0.8, Turbo",
        )
    scale = st.slider(
        "Scale",
        0.0,
        MAX_SCALE,
        default.scale,
        0.5,
        format="%g %%",
        key="scale",
        bind="query-params",
        help="How far each glance spreads: the blur, in percent of the picture's longer side. "
        "0 shows the bare counts.",
    )
    opacity = st.slider(
        "Opacity",
        0.0,
        1.0,
        default.opacity,
        0.05,
        key="opacity",
        bind="query-params",
        help="The most that the heatmap covers of the picture. Where no one looked it is "
        "always clear.",
    )
    colormap = st.selectbox(
        "Colours",
        list(COLORMAP_TITLES),
        format_func=COLORMAP_TITLES.__getitem__,
        key="colours",
        bind="query-params",
        help="Viridis, Magma, Inferno and Cividis have even steps, also for the colour-blind "
        "and in print. Jet is for comparison with old figures.",
    )
    return gh.Look(scale, opacity, colormap)


def reset_settings() -> None:
    """Set every setting back."""
    default = gh.Look()
    st.session_state.update(scale=default.scale, opacity=default.opacity, colours=default.colormap)


def result(opened: Opened, look: gh.Look) -> None:
    """Show the picture with its heatmap, what was counted, and the downloads."""
    image = opened.export.image
    assert image is not None
    heatmap = opened.heatmap(look.scale)
    width, height = image.size
    figure = gh.overlay_figure(heatmap, image.size, opened.ground, look)
    st.html(f"<style>.st-key-stage {{ --aspect: {width / height} }}</style>")
    with st.container(key="stage"), st.container(key="picture", height=600, border=False):
        st.plotly_chart(
            figure,
            height="stretch",
            key="overlay",
            config={"displayModeBar": False},
            alt=description(opened.export, heatmap),
        )
    st.markdown(counted(opened, heatmap), help=COUNTS_HELP)
    downloads(opened, heatmap, look)


def description(export: gh.Export | gh.BinnedExport, heatmap: gh.Heatmap) -> str:
    """Return the chart in words, for those who cannot see it."""
    if not heatmap.counts.used:
        return f"The reference image of {export.name}, without a heatmap."
    width, height = export.size()
    rows, columns = heatmap.values.shape
    row, column = divmod(int(heatmap.values.argmax()), columns)
    x, y = (column + 0.5) / columns, (row + 0.5) / rows
    across = ("on the left", "in the middle", "on the right")[int(3 * x)]
    down = ("at the top", "halfway down", "at the bottom")[int(3 * y)]
    return (
        f"Heatmap over the reference image of {export.name}, from "
        f"{samples(heatmap.counts.used)} of {recordings(heatmap)}. "
        f"The longest gaze is {across}, {down}: "
        f"x {x * width:,.0f} px, y {y * height:,.0f} px. Half the longest or more covers "
        f"{(heatmap.values >= 0.5).mean() * 100:.0f} % of the picture."
    )


def samples(count: int) -> str:
    """Return how many samples there are."""
    return f"{count:,} sample" + ("s" if count != 1 else "")


def recordings(heatmap: gh.Heatmap) -> str:
    """Return how many recordings were pooled."""
    return f"{heatmap.recordings:,} recording" + ("s" if heatmap.recordings != 1 else "")


def counted(opened: Opened, heatmap: gh.Heatmap) -> str:
    """Return the line that says what became of every row of the file."""
    counts = heatmap.counts
    export = opened.export
    if not opened.ticked:
        return (
            "No recording is ticked, so the picture is bare. "
            f"Tick one to see where its wearer looked. The file has {export.rows:,} rows."
        )
    not_ticked = export.rows - counts.rows - export.unassigned_rows
    parts = [
        f"{counts.outside:,} outside",
        f"{counts.undetected:,} undetected",
        f"{counts.unreadable:,} unreadable",
        *([f"{not_ticked:,} not ticked"] if not_ticked else []),
        *([f"{export.unassigned_rows:,} of no recording"] if export.unassigned_rows else []),
    ]
    start = (
        f"**{samples(counts.used)} of {recordings(heatmap)}**"
        if counts.used
        else f"No gaze of {recordings(heatmap)} lies on the picture, so it is bare: 0 samples"
    )
    return f"{start} · {' · '.join(parts)} = {export.rows:,} rows"


@kept
def main() -> None:
    """Lay out the page."""
    st.set_page_config(page_title=TITLE, layout="wide")
    settle()
    study = my_study()
    greet(study)
    st.html(STYLE)
    if study.opened:
        loaded_page()
    else:
        empty_page()


# Worker processes import this file too, and want no page.
if __name__ == "__main__":
    main()
