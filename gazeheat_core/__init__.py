"""Gaze heatmaps from the exports of eye-tracking studies.

The same functions serve the page, the command line and a notebook::

    import gazeheat_core as gh

    (export,) = gh.read_exports("My export.zip")
    look = gh.Look(scale=5, opacity=0.8, colormap="turbo")
    recordings = gh.bin_recordings(export)
    heatmap = gh.make_heatmap(recordings, export.image.size, look.scale)
    images = gh.render(heatmap, export.image, look)
    images.heatmap.save("heatmap.png")
    images.overlay.save("overlay.png")

Frame and units are stated in `gazeheat_core.model`, the steps of the heatmap in
`gazeheat_core.heatmap`, what can go wrong in `gazeheat_core.errors`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gazeheat_core.account import (
        Account,
        account_of,
        differences,
        find_account,
        png_texts,
    )
    from gazeheat_core.chart import ground_uri, overlay_figure
    from gazeheat_core.checks import Check, check_study
    from gazeheat_core.colormaps import opaque_table, overlay_table
    from gazeheat_core.errors import (
        ClusterError,
        ColumnsError,
        ExportError,
        GazeheatError,
        LimitError,
        PictureError,
        PictureMissingError,
        SettingError,
        SourceError,
        UnmappedError,
    )
    from gazeheat_core.exports import Upload, read_exports, with_picture, with_ratio
    from gazeheat_core.figure import FIGURE_KINDS, draw_figure
    from gazeheat_core.grid import Grid, bin_gaze
    from gazeheat_core.heatmap import Heatmap, Peak, blur, finish_heatmap, make_heatmap, normalize
    from gazeheat_core.images import (
        Images,
        display_jpeg,
        encode_png,
        open_picture,
        render,
        render_files,
        render_heatmap,
        render_overlay,
    )
    from gazeheat_core.model import (
        Export,
        Fixations,
        GazeSamples,
        Recording,
        ReferenceImage,
        Section,
        grid_shape,
        recording_labels,
    )
    from gazeheat_core.output import FILE_KINDS, FigureAsked, Output
    from gazeheat_core.pooling import Pool, Pooled, pool, shares
    from gazeheat_core.regions import Region, RegionCounts, RegionNumbers, look_into
    from gazeheat_core.scale import ColourScale, colour_scale
    from gazeheat_core.selection import (
        Counts,
        RecordingHistogram,
        Selection,
        bin_recordings,
        check_measure,
        check_selection,
        first_measure,
        longest_section_s,
        measures_of,
        select,
    )
    from gazeheat_core.settings import COLORMAPS, FigureStyle, Look
    from gazeheat_core.study import Study, track_export
    from gazeheat_core.tracks import Track, join

__all__ = [
    "COLORMAPS",
    "FIGURE_KINDS",
    "FILE_KINDS",
    "Account",
    "Check",
    "ClusterError",
    "ColourScale",
    "ColumnsError",
    "Counts",
    "Export",
    "ExportError",
    "FigureAsked",
    "FigureStyle",
    "Fixations",
    "GazeSamples",
    "GazeheatError",
    "Grid",
    "Heatmap",
    "Images",
    "LimitError",
    "Look",
    "Output",
    "Peak",
    "PictureError",
    "PictureMissingError",
    "Pool",
    "Pooled",
    "Recording",
    "RecordingHistogram",
    "ReferenceImage",
    "Region",
    "RegionCounts",
    "RegionNumbers",
    "Section",
    "Selection",
    "SettingError",
    "SourceError",
    "Study",
    "Track",
    "UnmappedError",
    "Upload",
    "account_of",
    "bin_gaze",
    "bin_recordings",
    "blur",
    "check_measure",
    "check_selection",
    "check_study",
    "colour_scale",
    "differences",
    "display_jpeg",
    "draw_figure",
    "encode_png",
    "find_account",
    "finish_heatmap",
    "first_measure",
    "grid_shape",
    "ground_uri",
    "join",
    "longest_section_s",
    "look_into",
    "make_heatmap",
    "measures_of",
    "normalize",
    "opaque_table",
    "open_picture",
    "overlay_figure",
    "overlay_table",
    "png_texts",
    "pool",
    "read_exports",
    "recording_labels",
    "render",
    "render_files",
    "render_heatmap",
    "render_overlay",
    "select",
    "shares",
    "track_export",
    "with_picture",
    "with_ratio",
]

# Where the names stand, the quickest to load first.
_HOMES = (
    "errors",
    "settings",
    "model",
    "grid",
    "tracks",
    "study",
    "selection",
    "pooling",
    "regions",
    "heatmap",
    "scale",
    "exports",
    "account",
    "checks",
    "colormaps",
    "images",
    "chart",
    "figure",
    "output",
)

if not TYPE_CHECKING:

    def __getattr__(name):
        """Load a public name when it is first used.

        The command line needs this: it must answer a signal before numpy is loaded.
        """
        for home in _HOMES if name in __all__ else ():
            module = import_module(f"{__name__}.{home}")
            if hasattr(module, name):
                globals()[name] = getattr(module, name)
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})
