"""Value to colour: the look-up table, and how much of the picture it covers.

Never gazed at is fully clear. From there the cover grows with the value, up to the
opacity that the user chose: ``alpha = min(value, opacity)``. The spotlight is the mirror of
it: black, with ``alpha = min(1 - value, opacity)``.
"""

from __future__ import annotations

from functools import cache, lru_cache
from math import ceil

import numpy as np
import numpy.typing as npt
from cmap import Colormap

from gazeheat_core.model import FloatArray
from gazeheat_core.settings import ColormapName, Look

LEVELS = 256

# Names in the colour package, which keeps the published tables.
_TABLES: dict[ColormapName, str] = {
    "turbo": "google:turbo",
    "viridis": "bids:viridis",
    "magma": "bids:magma",
    "inferno": "bids:inferno",
    "cividis": "cividis:cividis",
    "jet": "matlab:jet",
    "greys": "colorbrewer:greys",
}


@cache
def opaque_table(name: ColormapName) -> npt.NDArray[np.uint8]:
    """Return the 256 colours of a map, the one of value 0 first.

    Returns
    -------
    uint8 array, shape (256, 3)

    Examples
    --------
    >>> opaque_table("turbo")[[0, 255]]
    array([[ 48,  18,  59],
           [122,   4,   3]], dtype=uint8)
    """
    table: npt.NDArray[np.uint8] = np.rint(
        255 * np.asarray(Colormap(_TABLES[name]).lut(LEVELS))[:, :3]
    ).astype(np.uint8)
    table.setflags(write=False)
    return table


def first_shown(bottom: float) -> int:
    """Return the first entry of a table that is not below the bottom of the scale.

    Parameters
    ----------
    bottom : float
        Percent of the top.

    Examples
    --------
    >>> first_shown(0), first_shown(20), first_shown(50)
    (0, 51, 128)
    """
    # A hair less: 20 % of 255 entries is the 51st, whatever the last bit says.
    return ceil((LEVELS - 1) * bottom / 100 - 1e-9)


@lru_cache(maxsize=64)
def overlay_table(name: ColormapName, opacity: float, bottom: float = 0.0) -> npt.NDArray[np.uint8]:
    """Return the 256 colours of a map with their cover, ``alpha = min(value, opacity)``.

    Below `bottom` percent they are clear.

    Returns
    -------
    uint8 array, shape (256, 4)

    Examples
    --------
    >>> overlay_table("turbo", 0.8)[[0, 100, 255], 3]
    array([  0, 100, 204], dtype=uint8)
    """
    alpha = np.minimum(np.arange(LEVELS), round(255 * opacity))
    alpha[: first_shown(bottom)] = 0
    return _with_alpha(opaque_table(name), alpha)


@lru_cache(maxsize=64)
def spotlight_table(opacity: float, bottom: float = 0.0) -> npt.NDArray[np.uint8]:
    """Return 256 covers of black, ``alpha = min(1 - value, opacity)``.

    What is below `bottom` percent counts as never looked at.

    Returns
    -------
    uint8 array, shape (256, 4)

    Examples
    --------
    >>> spotlight_table(0.8)[[0, 51, 155, 255], 3]
    array([204, 204, 100,   0], dtype=uint8)
    """
    values = np.arange(LEVELS)
    values[: first_shown(bottom)] = 0
    alpha = np.minimum(LEVELS - 1 - values, round(255 * opacity))
    return _with_alpha(np.zeros((LEVELS, 3), np.uint8), alpha)


def layer_table(look: Look) -> npt.NDArray[np.uint8]:
    """Return what lies over the picture: the colours of a look with their cover, shape (256, 4)."""
    if look.look == "spotlight":
        return spotlight_table(look.opacity, look.bottom)
    return overlay_table(look.colormap, look.opacity, look.bottom)


def full_table(look: Look) -> npt.NDArray[np.uint8]:
    """Return the colours of a look without cover, shape (256, 3): greys for the spotlight."""
    return _greys() if look.look == "spotlight" else opaque_table(look.colormap)


def bar_table(look: Look) -> npt.NDArray[np.uint8]:
    """Return the colours of the bar, shape (256, 4).

    Below the bottom it is clear; that of the spotlight is black there.
    """
    colours, first = full_table(look), first_shown(look.bottom)
    if look.look == "spotlight":
        return _with_alpha(np.where(np.arange(LEVELS)[:, None] < first, 0, colours), 255)
    return _with_alpha(colours, np.where(np.arange(LEVELS) < first, 0, 255))


@cache
def _greys() -> npt.NDArray[np.uint8]:
    table = np.repeat(np.arange(LEVELS, dtype=np.uint8)[:, None], 3, axis=1)
    table.setflags(write=False)
    return table


def _with_alpha(colours: npt.NDArray[np.uint8], alpha: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    table = np.empty((LEVELS, 4), np.uint8)
    table[:, :3], table[:, 3] = colours, alpha
    table.setflags(write=False)
    return table


def colour_stops(table: npt.NDArray[np.uint8]) -> list[int]:
    """Return few entries of a table that stand for all of it.

    A chart draws straight lines of colour between them, and misses no entry by more than
    one of its 256 steps. With all of them the browser took 40 ms longer.

    Parameters
    ----------
    table : uint8 array, shape (256, channels)

    Returns
    -------
    list of int
        Ascending, with the first and the last entry.

    Examples
    --------
    >>> len(colour_stops(opaque_table("turbo")))
    34
    """
    colours = table.astype(np.float64)
    stops = [0]
    end = 1
    for i in range(2, len(colours)):
        start = stops[-1]
        along = np.linspace(0, 1, i - start + 1)[:, None]
        line = colours[start] + (colours[i] - colours[start]) * along
        if np.abs(line - colours[start : i + 1]).max() > 1:
            stops.append(end)
        end = i
    return [*stops, end]


def to_levels(values: FloatArray) -> npt.NDArray[np.uint8]:
    """Round values from 0 to 1 to the nearest of the 256 entries of a table.

    Values beyond, which Lanczos makes near sharp edges, get the first or last entry.

    Examples
    --------
    >>> to_levels(np.array([-0.01, 0.0, 0.5, 1.0, 1.014]))
    array([  0,   0, 128, 255, 255], dtype=uint8)
    """
    return np.rint(np.clip(values, 0.0, 1.0) * (LEVELS - 1)).astype(np.uint8)
