"""A tick, on the server: from the choice of recordings to the text that is sent."""

import json
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import gazeheat_core as gh
from gazeheat_core.page.recordings import told
from gazeheat_core.page.session import Opened
from gazeheat_core.report import counted, described
from gazeheat_core.selection import Selection
from tests.benchmarks.data import STEP_NS, made_export
from tests.benchmarks.measure import p95, side_by_side

# A setting may be one of the blur, whose matrices are then made anew.
TICK_MS, SLIDER_MS = 10, 40
ROUNDS = 120
# A window: for all samples of the large study, and for each of a window's.
WINDOW_MS = 30
WINDOW_NS = 4
# Against one `numpy.bincount` of the same cells.
WINDOW_RATIO = 1.0
# The browser has the picture; a tick sends where it is.
ADDRESS = f"lent/{'0' * 43}/picture"


def redraw(opened, look):
    """What the page computes for a new picture, and how Streamlit writes it down."""
    heatmap = opened.heatmap(look.scale)
    size = opened.export.image.size
    figure = gh.overlay_figure(heatmap, size, ADDRESS, look)
    described(opened.export.name, size, heatmap)
    counted(opened.export, heatmap)
    return json.dumps([figure, told(opened)])


def ticking(opened):
    def tick(turn):
        opened.ticked ^= {turn % len(opened.histograms)}
        redraw(opened, gh.Look())

    return tick


def sliding(opened):
    """Every setting in turn; what one study computes anew, no other finds already done."""
    own = opened.number / 1000

    def slide(turn):
        scale = 1 + own + 0.1 * turn if turn % 3 == 0 else 5.0
        opacity = 0.2 + own + 0.005 * turn if turn % 3 == 1 else 0.8
        redraw(opened, gh.Look(scale, opacity, gh.COLORMAPS[turn % len(gh.COLORMAPS)]))

    return slide


@pytest.fixture(scope="module")
def studies():
    """A large study and a small one."""
    return (
        Opened(0, made_export(10_000_000, (4000, 3000))),
        Opened(1, made_export(10_000, (400, 300))),
    )


@pytest.fixture(autouse=True)
def one_thread():
    """As the page sets it for its server."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.mark.parametrize(
    ("what", "act", "target_ms"), [("tick", ticking, TICK_MS), ("slider", sliding, SLIDER_MS)]
)
def test_it_takes_the_same_few_milliseconds_for_any_study(studies, report, what, act, target_ms):
    large_study, small_study = studies
    side_by_side([act(one) for one in studies], 12)
    large, small = 1e3 * side_by_side([act(one) for one in studies], ROUNDS)
    processor = 1e3 * side_by_side([act(large_study)], ROUNDS, time.thread_time)
    assert large_study.pool.bins.shape == small_study.pool.bins.shape == gh.grid_shape((4000, 3000))
    ratio = np.median(large) / np.median(small)
    report(
        f"{what}, server side: 10 M samples, 4000x3000 px: median {np.median(large):.1f} ms, "
        f"p95 {p95(large):.1f} ms (target {target_ms}; {p95(processor):.1f} ms of it at work)",
        f"  10 k samples, 400x300 px: median {np.median(small):.1f} ms, p95 {p95(small):.1f} ms; "
        f"large / small {ratio:.2f} (target 1.10)",
    )
    assert p95(large) <= target_ms
    assert ratio <= 1.10


def test_a_window_costs_its_samples(studies, report):
    study = studies[0].export
    cells = np.concatenate([one.sections[0].gaze.cell for one in study.recordings])
    seconds_each = len(cells) / len(study.recordings) * STEP_NS / 1e9
    shares = (1.0, 0.5, 0.1)

    def window(share):
        asked = Selection(window_s=(0.0, share * seconds_each))
        everyone = set(range(len(study.recordings)))

        def take(_):
            counts = gh.Pool.over(study, asked).take(everyone).counts
            assert abs(counts.rows - share * len(cells)) <= len(everyone)

        return take

    works = [lambda _: np.bincount(cells, minlength=study.grid.codes), *map(window, shares)]
    side_by_side(works, 3)
    plain_ms, *windows_ms = 1e3 * np.median(side_by_side(works, 21, time.thread_time), axis=1)
    whole_ms, half_ms, tenth_ms = windows_ms
    # Between two windows, what each costs for itself falls out.
    ns_each = (whole_ms - tenth_ms) * 1e6 / (0.9 * len(cells))
    report(
        f"window over {len(study.recordings)} recordings of {len(cells) / 1e6:.0f} M samples: all "
        f"{whole_ms:.1f} ms (target {WINDOW_MS}), half {half_ms:.1f} ms, a tenth {tenth_ms:.1f}: "
        f"{ns_each:.2f} ns a sample (target {WINDOW_NS}); one bincount {plain_ms:.1f} ms, ratio "
        f"{whole_ms / plain_ms:.2f} (target {WINDOW_RATIO})"
    )
    assert whole_ms <= WINDOW_RATIO * plain_ms
    assert half_ms <= 0.6 * whole_ms
    assert whole_ms <= WINDOW_MS
    assert ns_each <= WINDOW_NS
