"""The heatmap as its specification says it, step by step and slowly.

Written from the document, not from the package, of which it imports nothing. Whatever
the package does faster has to give these numbers.
"""

import cmap
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter


def grid(size):
    """Bins along x and y: 300 on the longer side, the same shape as the picture."""
    width, height = size
    if width >= height:
        return 300, max(1, round(300 * height / width))
    return max(1, round(300 * width / height)), 300


def histogram(x, y, size, extent=None):
    """Step 1: counts over the picture's own bounds, ``(row, column)``.

    `extent` gives the bounds where positions are not in the picture's pixels.
    """
    width, height = extent or size
    counts, _, _ = np.histogram2d(
        np.asarray(x, np.float64),
        np.asarray(y, np.float64),
        bins=grid(size),
        range=[[0, width], [0, height]],
    )
    return counts.T


def blur(counts, scale):
    """Step 2: a Gaussian, the same in both axes, in percent of the longer side."""
    sigma_bins = 0.01 * scale * max(counts.shape)
    return gaussian_filter(counts, sigma_bins, mode="reflect", truncate=4)


def grid_values(x, y, size, scale, extent=None):
    """Steps 1 and 2, divided by the maximum: 0 to 1, or all 0."""
    blurred = blur(histogram(x, y, size, extent), scale)
    return blurred / blurred.max() if blurred.any() else blurred


def resize(values, size):
    """Step 3: Lanczos on 32-bit floats in one piece, then clipped to 0 to 1."""
    grid = Image.fromarray(values.astype(np.float32))
    return np.clip(np.asarray(grid.resize(size, Image.Resampling.LANCZOS)), 0, 1)


def colours(name):
    """The 256 published colours as 8-bit numbers, the entries of the look-up table."""
    return np.rint([[255 * c for c in cmap.Colormap(name)(i / 255).rgba[:3]] for i in range(256)])


def heatmap_image(values, name, opacity, nudge=0.0):
    """The heatmap alone, float RGBA of 0 to 255, for `values` of a picture's size.

    `nudge` moves the values before the entry is looked up, to see which pixels lie so
    close between two entries that the last bit of a float decides.
    """
    entries = np.rint(255 * np.clip(values.astype(np.float64) + nudge, 0, 1)).astype(int)
    alpha = np.minimum(values, opacity)
    return np.dstack([colours(name)[entries], 255 * alpha])


def over(rgba, ground):
    """Lay a float RGBA image over a picture, with its decimals."""
    alpha = rgba[..., 3:] / 255
    return alpha * rgba[..., :3] + (1 - alpha) * np.asarray(ground, np.float64)
