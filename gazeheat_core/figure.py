"""The figure: the overlay with its colour bar, a heading and a caption, ready for a document.

PNG for any program, SVG and PDF with live text. The same input gives the same bytes. A figure is
laid out in the pixels of its resolution, whatever its file is, and always on white paper.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from html import escape
from math import sqrt
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from gazeheat_core.account import KEYWORD, software
from gazeheat_core.colormaps import LEVELS, bar_table
from gazeheat_core.contours import INK, PLATE, PLATE_ALPHA, Contour, contours, line_width_px
from gazeheat_core.errors import SettingError
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.images import lay_over, open_picture, render_overlay
from gazeheat_core.model import ReferenceImage, Size
from gazeheat_core.png import PngWriter, strips
from gazeheat_core.scale import colour_scale
from gazeheat_core.settings import FIGURE_PIXELS, MM_PER_INCH, FigureStyle, Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

FigureKind: TypeAlias = Literal["png", "svg", "pdf"]
FIGURE_KINDS: tuple[FigureKind, ...] = get_args(FigureKind)

Measure: TypeAlias = Callable[[str], float]
Box: TypeAlias = tuple[int, int, int, int]  # left, top, right and bottom in pixels

_INK = "#1a1a1a"
_LINE = "#8c8c8c"
_POINTS_PER_INCH = 72
# A figure of this width has text of the sizes below; see `_Paper`.
_USUAL_WIDTH_MM = 160
_CAPTION_PT, _TICKS_PT, _LABEL_PT, _HEADING_PT = 8.0, 7.0, 7.5, 9.5
_CONTOUR_PT = 6.0
_LINE_SPACING = 1.4
# The label beside the bar: its most lines, and up to how many characters it is one line.
_MOST_LABEL_LINES, _SHORT_LABEL, _LABEL_SPACING = 3, 30, 1.25
# Parts of the type size, in the font of the figure.
_ABOVE_BASELINE, _BELOW_BASELINE = 0.76, 0.24
# A page of A4 then holds a figure of its text's width, with the caption.
_MOST_HEIGHT = 1.25  # of the width
_MOST_CHARACTERS = 2_000
_MOST_LINES = 200
# Entries of the colour bar in a vector file: enough that no step shows.
_BAR_STEPS = 4 * LEVELS

_FONT = "DejaVu Sans"
# For scripts that the first font lacks, where one of them is installed.
_FURTHER_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Noto Sans Arabic",
    "Noto Naskh Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
    "Arial",
)
# Warnings about scripts and glyphs that no installed font has.
_GLYPH_WARNINGS = r"Glyph .* missing from|Matplotlib currently does not support"
# Signs of scripts that may be broken anywhere.
_SIGNS = r"\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef"
_PIECES = re.compile(rf"\s*(?:[{_SIGNS}]|[^\s{_SIGNS}]+)")
# They join letters, so that a script needs them though they cannot be seen.
_JOINERS = "\u200c\u200d"

# The settings of the library that draws hold for the whole process.
_drawing = Lock()


def draw_figure(
    heatmap: Heatmap,
    image: ReferenceImage,
    look: Look,
    style: FigureStyle,
    kind: FigureKind,
    *,
    label: str,
    heading: str,
    caption: str,
    account: str,
) -> bytes:
    """Draw the overlay with its colour bar, between a heading and a caption.

    The height follows from what is in it. A picture that is much higher than wide leaves some
    of the width free; one that is much wider than high has its bar below.

    Parameters
    ----------
    heatmap : Heatmap
    image : ReferenceImage
    look : Look
    style : FigureStyle
    kind : "png", "svg" or "pdf"
        SVG and PDF hold live text, and the overlay with at most the pixels of its picture;
        contours are lines in them.
    label : str
        What the colour bar measures, such as ``% of the longest gaze``.
    heading, caption : str
        Plain text; empty for none. Line ends of the caption are kept.
    account : str
        What the file says of itself to machines: JSON in plain ASCII. A PNG file holds it as
        ``iTXt`` under the keyword ``gazeheat``, an SVG file in ``<metadata id="gazeheat">``, a
        PDF file as ``/Keywords`` of its document information.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    SettingError
        When a text is too long, or a PNG file would have more than 100 million pixels.
    ValueError
        When the account is not plain ASCII.
    """
    if not account.isascii():
        raise ValueError("The account of a figure is JSON in plain ASCII.")
    scale = colour_scale(heatmap, look)
    words = _Words(
        label=_plain("label", label),
        # The label tells the unit.
        ticks=[
            (place, text.removesuffix(" s").removesuffix(" %")) for place, text in scale.ticks()
        ],
        heading=_plain("heading", heading),
        caption=_plain("caption", caption),
        account=account,
    )
    with _library():
        paper = _lay_out(image.size, style, words)
    if kind == "png":
        paper.check_pixels()
    overlay = _overlay(heatmap, image, look, paper, kind)
    if kind == "png":
        return _png(paper, overlay, _bar(look, paper.bar, upright=paper.upright), words)
    is_lined = look.look == "contours"
    lines = contours(heatmap, paper.picture_size, look, paper.contour_px) if is_lined else []
    return _vector(paper, overlay, lines, look, kind, words)


# --- Words ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Words:
    label: str
    ticks: list[tuple[float, str]]  # percent of the bar, and what stands there
    heading: str
    caption: str
    account: str

    def about(self) -> dict[str, str]:
        """Return title and description, those that are there."""
        given = {"Title": self.heading, "Description": self.caption}
        return {name: text for name, text in given.items() if text}


def _plain(what: str, text: str) -> str:
    """Keep lines of what can be seen."""
    if len(text) > _MOST_CHARACTERS:
        raise SettingError(
            f"The figure's {what} has {len(text):,} characters; {_MOST_CHARACTERS:,} are the "
            "most. Shorten it."
        )
    lines = ("".join(map(_seen, line)) for line in text.splitlines())
    kept = [" ".join(line.split()) for line in lines]
    # Only the caption has lines of its own.
    return ("\n" if what == "caption" else " ").join(line for line in kept if line)


def _seen(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) == "Cf" else "\N{REPLACEMENT CHARACTER}"


def _wrapped(text: str, width: float, measure: Measure) -> list[str]:
    """Break text into lines of at most a width; a word that is wider is broken, too."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line, used = "", 0.0
        for piece in _PIECES.findall(paragraph):
            if line and used + (more := measure(piece)) <= width:
                line, used = line + piece, used + more
                continue
            if line:
                lines.append(line)
            line = piece.lstrip()
            while (used := measure(line)) > width and len(line) > 1:
                fits = _that_fit(line, width, measure)
                lines.append(line[:fits])
                line = line[fits:]
        lines.append(line)
    return lines


def _that_fit(word: str, width: float, measure: Measure) -> int:
    """Return how many characters of a word fit, at least one."""
    fits, too_many = 1, len(word)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if measure(word[:middle]) <= width:
            fits = middle
        else:
            too_many = middle
    return fits


# --- Layout --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    """A line of text; `x` and `y` are in pixels, `y` is that of its baseline."""

    text: str
    x: float
    y: float
    size_pt: float
    align: Literal["left", "center", "right"] = "left"
    bold: bool = False
    upwards: bool = False


@dataclass(slots=True)
class _Paper:
    """Where everything stands, in pixels from the top left corner."""

    style: FigureStyle
    height: int = 0
    picture: Box = (0, 0, 1, 1)
    bar: Box = (0, 0, 1, 1)
    upright: bool = True
    texts: list[_Text] = field(default_factory=list)
    marks: list[Box] = field(default_factory=list)

    @property
    def size(self) -> Size:
        return self.style.width_px, self.height

    @property
    def picture_size(self) -> Size:
        left, top, right, bottom = self.picture
        return right - left, bottom - top

    @property
    def contour_px(self) -> int:
        """The size of the type on contours."""
        return self.px(_CONTOUR_PT)

    @property
    def type_scale(self) -> float:
        """How much larger text is than in a figure of the usual width.

        A wider figure is looked at from farther away, but not in proportion; below the
        smallest size it could not be read.
        """
        return max(0.8, sqrt(self.style.width_mm / _USUAL_WIDTH_MM))

    def px(self, points: float) -> int:
        """Turn points at the usual width into whole pixels, at least one."""
        return max(1, round(points * self.type_scale * self.style.dpi / _POINTS_PER_INCH))

    def measure(self, points: float, *, bold: bool = False) -> Measure:
        """Return what measures text of a size, in pixels."""
        size_px = points * self.type_scale * self.style.dpi / _POINTS_PER_INCH
        return lambda text: size_px * _width_in_ems(text, bold)

    def write(self, lines: Sequence[str], x: int, top: int, points: float, **more: Any) -> int:
        """Set lines below each other; return where the last one ends."""
        em = self.px(points)
        size_pt = points * self.type_scale
        for i, line in enumerate(lines):
            y = top + em * (_ABOVE_BASELINE + i * _LINE_SPACING)
            self.texts.append(_Text(line, x, y, size_pt, **more))
        return round(top + em * (1 + (len(lines) - 1) * _LINE_SPACING))

    def check_pixels(self) -> None:
        width, height = self.size
        if width * height > FIGURE_PIXELS:
            raise SettingError(
                f"The figure would have {width:,} × {height:,} pixels; {FIGURE_PIXELS // 10**6} "
                "million are the most. Choose a smaller width, or fewer dpi."
            )


def _lay_out(picture: Size, style: FigureStyle, words: _Words) -> _Paper:
    paper = _Paper(style)
    px = paper.px
    margin = min(px(8), round(0.03 * style.width_px))
    left, width = margin, style.width_px - 2 * margin
    gap = px(7)
    top = margin
    if words.heading:
        measure = paper.measure(_HEADING_PT, bold=True)
        lines = _lines("heading", words.heading, width, measure)
        top = paper.write(lines, left, top, _HEADING_PT, bold=True) + gap

    numbers = _widest(paper, words)
    beside = gap + px(9) + px(2.5) + px(2.5) + round(numbers) + px(4) + px(_LABEL_PT)
    least = len(words.ticks) * px(_TICKS_PT) * _LINE_SPACING
    most_height = round(_MOST_HEIGHT * style.width_px)
    for count in range(1, _MOST_LABEL_LINES + 1):
        room = width - beside - (count - 1) * _label_step(paper)
        wide, high = _fitted(picture, max(1, room), most_height)
        label = _label_lines(words.label, count, high, paper.measure(_LABEL_PT))
        if label is not None and high >= least:
            paper.picture = (left, top, left + wide, top + high)
            bottom = _bar_beside(paper, words, label, gap)
            break
    else:
        paper.upright = False
        wide, high = _fitted(picture, width, most_height)
        paper.picture = (left, top, left + wide, top + high)
        bottom = _bar_below(paper, words, gap, width)

    if words.caption:
        lines = _lines("caption", words.caption, width, paper.measure(_CAPTION_PT))
        bottom = paper.write(lines, left, bottom + px(8.5), _CAPTION_PT)
    paper.height = bottom + margin
    return paper


def _lines(what: str, text: str, width: float, measure: Measure) -> list[str]:
    lines = _wrapped(text, width, measure)
    if len(lines) > _MOST_LINES:
        raise SettingError(
            f"The figure's {what} takes {len(lines):,} lines; {_MOST_LINES} are the most. "
            "Shorten it, or choose a larger width."
        )
    return lines


def _fitted(picture: Size, width: int, height: int) -> Size:
    scale = min(width / picture[0], height / picture[1])
    wide, high = (max(1, round(side * scale)) for side in picture)
    return wide, high


def _widest(paper: _Paper, words: _Words) -> float:
    return max(map(paper.measure(_TICKS_PT), (text for _, text in words.ticks)))


def _label_step(paper: _Paper) -> int:
    """Return how far the lines of a label beside the bar are apart."""
    return round(paper.px(_LABEL_PT) * _LABEL_SPACING)


def _label_lines(label: str, count: int, height: int, measure: Measure) -> list[str] | None:
    """Break a label into so many lines of about the same length; None where they do not fit.

    A short one is not broken, and no word is.
    """
    whole = measure(label)
    if count == 1:
        return [label] if whole <= height else None
    if len(label) > _SHORT_LABEL:
        for width in (share * whole / count for share in (1.02, 1.1, 1.25)):
            lines = _wrapped(label, width, measure)
            if width <= height and len(lines) <= count and " ".join(lines) == label:
                return lines
    return None


def _bar_beside(paper: _Paper, words: _Words, lines: list[str], gap: int) -> int:
    """Put the bar on the right of the picture, as high as it; return where both end."""
    px = paper.px
    _, top, right, bottom = paper.picture
    start, end = right + gap, right + gap + px(9)
    paper.bar = (start, top, end, bottom)
    digit = 0.73 * px(_TICKS_PT)
    numbers = end + px(5)
    for tick, text in words.ticks:
        share = 1 - tick / 100
        y = top + share * (bottom - top)
        # The first and the last stand within the bar's ends, so that the edges are one line.
        base = min(max(y + digit / 2, top + digit), bottom)
        paper.marks.append(_mark(y, top, bottom, px(0.5), (end, end + px(2.5))))
        size_pt = _TICKS_PT * paper.type_scale
        paper.texts.append(_Text(text, numbers, base, size_pt))
    x = numbers + _widest(paper, words) + px(4) + _ABOVE_BASELINE * px(_LABEL_PT)
    middle = (top + bottom) / 2
    size_pt = _LABEL_PT * paper.type_scale
    for i, line in enumerate(lines):
        at = x + i * _label_step(paper)
        paper.texts.append(_Text(line, at, middle, size_pt, "center", upwards=True))
    return bottom


def _bar_below(paper: _Paper, words: _Words, gap: int, width: int) -> int:
    """Put the bar below the picture, as wide as it; return where its label ends."""
    px = paper.px
    left, _, right, bottom = paper.picture
    top, end = bottom + gap, bottom + gap + px(9)
    paper.bar = (left, top, right, end)
    base = end + px(5) + _ABOVE_BASELINE * px(_TICKS_PT)
    size_pt = _TICKS_PT * paper.type_scale
    for tick, text in words.ticks:
        x = left + tick / 100 * (right - left)
        across = _mark(x, left, right, px(0.5), (end, end + px(2.5)))
        paper.marks.append((across[1], across[0], across[3], across[2]))
        align: Literal["left", "center", "right"] = (
            "left" if tick == 0 else "right" if tick == 100 else "center"
        )
        paper.texts.append(_Text(text, x, base, size_pt, align))
    below = round(base + px(4))
    label = words.label
    lines = _lines("label", label, width, paper.measure(_LABEL_PT)) if label else []
    return paper.write(lines, left, below, _LABEL_PT) if lines else below


def _mark(place: float, first: int, last: int, line: int, across: tuple[int, int]) -> Box:
    """Return a tick's mark on an upright bar, within its ends."""
    start = min(max(round(place - line / 2), first), last - line)
    return across[0], start, across[1], start + line


# --- Pixels --------------------------------------------------------------------------


def _overlay(
    heatmap: Heatmap, image: ReferenceImage, look: Look, paper: _Paper, kind: FigureKind
) -> Image.Image:
    """Draw the overlay as large as it is needed; without contours where these are lines."""
    is_lined = look.look == "contours"
    overlay = open_picture(image) if is_lined else render_overlay(heatmap, image, look)
    width, height = paper.picture_size
    if kind != "png":
        # More pixels than the picture has would only make the file larger.
        width, height = min(width, overlay.width), min(height, overlay.height)
    if (width, height) != overlay.size:
        overlay = overlay.resize((width, height), Image.Resampling.LANCZOS)
    if is_lined and kind == "png":
        # As fine as the paper, not as the picture.
        lay_over(overlay, heatmap, look, paper.contour_px)
    return overlay


def _bar(look: Look, bar: Box, *, upright: bool) -> Image.Image:
    """Draw the colours of a bar in their full strength, from below or from the left.

    What the map leaves clear is paper.
    """
    left, top, right, bottom = bar
    steps = bottom - top if upright else right - left
    values = (np.arange(steps) + 0.5) / steps
    table = bar_table(look)
    seen = np.where(table[:, 3:] == 0, np.uint8(255), table[:, :3])
    colours = seen[np.rint(values * (LEVELS - 1)).astype(np.intp)]
    pixels: npt.NDArray[np.uint8]
    if upright:
        pixels = np.repeat(colours[::-1, None], right - left, axis=1)
    else:
        pixels = np.repeat(colours[None], bottom - top, axis=0)
    return Image.fromarray(pixels)


# --- Files ---------------------------------------------------------------------------


def _png(paper: _Paper, overlay: Image.Image, bar: Image.Image, words: _Words) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with _library():
        # A hair more, since the canvas cuts its size to whole pixels.
        width, height = ((side + 1e-3) / paper.style.dpi for side in paper.size)
        drawn = _drawn(paper, (width, height))
        canvas = FigureCanvasAgg(drawn)
        canvas.draw()
        rgba = np.asarray(canvas.buffer_rgba())
    texts = {"Software": software(), **words.about(), KEYWORD: words.account}
    writer = PngWriter(paper.size, "RGB", texts, dpi=paper.style.dpi)
    for top, bottom in strips(paper.size):
        strip = Image.fromarray(np.ascontiguousarray(rgba[top:bottom, :, :3]))
        # The library would mix their pixels with each other.
        for pixels, place in ((overlay, paper.picture), (bar, paper.bar)):
            first, last = max(top, place[1]), min(bottom, place[3])
            if first < last:
                part = pixels.crop((0, first - place[1], pixels.width, last - place[1]))
                strip.paste(part, (place[0], first - top))
        writer.add(np.asarray(strip))
    return writer.finish()


def _vector(
    paper: _Paper,
    overlay: Image.Image,
    lines: list[Contour],
    look: Look,
    kind: FigureKind,
    words: _Words,
) -> bytes:
    if paper.upright:
        bar = _bar(look, (0, 0, 8, _BAR_STEPS), upright=True)
    else:
        bar = _bar(look, (0, 0, _BAR_STEPS, 8), upright=False)
    style = paper.style
    out = io.BytesIO()
    with _library():
        drawn = _drawn(paper, (style.width_mm / MM_PER_INCH, paper.height / style.dpi))
        for pixels, box in ((overlay, paper.picture), (bar, paper.bar)):
            (x, y), width, height = _fractions(paper, box)
            axes = drawn.add_axes((x, y, width, height))
            axes.set_axis_off()
            axes.imshow(np.asarray(pixels), interpolation="none", aspect="auto", clip_on=False)
        if lines:
            _draw_lines(drawn, paper, lines, look.opacity)
        drawn.savefig(out, format=kind, metadata=_metadata(kind, words))
    return out.getvalue() if kind == "pdf" else _with_account(out.getvalue(), words)


def _metadata(kind: FigureKind, words: _Words) -> dict[str, Any]:
    """Return what the library is to write, and what not: nothing that another day changes."""
    if kind == "svg":
        return dict.fromkeys(("Creator", "Date", "Format", "Type"))
    about = words.about()
    return {
        "Title": about.get("Title"),
        "Subject": about.get("Description"),
        "Creator": software(),
        "CreationDate": None,
        "Keywords": words.account,
    }


def _with_account(svg: bytes, words: _Words) -> bytes:
    """Put title, description and account behind the opening tag of an SVG file."""
    about = words.about()
    elements = [
        f"<{name}>{escape(about[key], quote=False)}</{name}>"
        for name, key in (("title", "Title"), ("desc", "Description"))
        if key in about
    ]
    elements.append(f'<metadata id="{KEYWORD}">{escape(words.account, quote=False)}</metadata>')
    # Else a viewer shows the picture in blocks where it is enlarged.
    svg = svg.replace(b"image-rendering:crisp-edges;image-rendering:pixelated", b"")
    inserted = "".join(f"\n {element}" for element in elements).encode()
    return re.sub(rb"<svg\b[^>]*>", lambda tag: tag[0] + inserted, svg, count=1)


# --- The library that draws ----------------------------------------------------------


@contextmanager
def _library() -> Iterator[None]:
    """Draw alone, with the library's settings as they are without a person's own."""
    import matplotlib

    with _drawing, matplotlib.rc_context():
        warnings.filterwarnings("ignore", message=_GLYPH_WARNINGS)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.sans-serif": [_FONT],
                "pdf.fonttype": 42,
                "svg.fonttype": "none",
                "svg.hashsalt": "gazeheat",
                # Letters then have the same widths at every size.
                "text.hinting": "no_hinting",
            }
        )
        yield


def _drawn(paper: _Paper, size_inches: tuple[float, float]) -> Figure:
    """Draw everything but the pixels; what stands under them is their thin border."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    drawn = Figure(figsize=size_inches, dpi=paper.style.dpi, facecolor="white")

    def fill(box: Box, zorder: float) -> None:
        place = _fractions(paper, box)
        drawn.add_artist(Rectangle(*place, color=_LINE, linewidth=0, zorder=zorder, snap=False))

    line = paper.px(0.5)
    for left, top, right, bottom in (paper.picture, paper.bar):
        fill((left - line, top - line, right + line, bottom + line), -1)
    for mark in paper.marks:
        fill(mark, 1)
    width, height = paper.size
    for text in paper.texts:
        drawn.text(
            text.x / width,
            1 - text.y / height,
            text.text,
            color=_INK,
            fontproperties=_font(text.size_pt, text.bold),
            ha=text.align,
            va="baseline",
            rotation=90 if text.upwards else 0,
            rotation_mode="anchor",
            # A dollar sign in a name starts no formula.
            parse_math=False,
        )
    return drawn


def _draw_lines(drawn: Figure, paper: _Paper, lines: list[Contour], opacity: float) -> None:
    """Draw contours over the picture, as paths and text."""
    width, height = paper.picture_size
    (x, y), wide, high = _fractions(paper, paper.picture)
    axes = drawn.add_axes((x, y, wide, high), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    points_per_px = _POINTS_PER_INCH / paper.style.dpi
    for line in lines:
        axes.plot(
            *line.points.T,
            color=[channel / 255 for channel in line.colour],
            alpha=opacity,
            linewidth=line_width_px(paper.picture_size) * points_per_px,
            solid_capstyle="round",
            solid_joinstyle="round",
        )
    plate = {"facecolor": PLATE, "alpha": PLATE_ALPHA * opacity, "linewidth": 0}
    for line in lines:
        for x, y in line.labels:
            axes.text(
                x,
                y,
                line.text,
                color=INK,
                alpha=opacity,
                fontproperties=_font(paper.contour_px * points_per_px, False),
                ha="center",
                va="center_baseline",
                bbox={"boxstyle": "round,pad=0.25", **plate},
                parse_math=False,
            )


def _fractions(paper: _Paper, box: Box) -> tuple[tuple[float, float], float, float]:
    """Return a box as the library has it: lower left corner, width and height, 0 to 1."""
    left, top, right, bottom = box
    width, height = paper.size
    corner = (left / width, 1 - bottom / height)
    return corner, (right - left) / width, (bottom - top) / height


def _font(size_pt: float, bold: bool) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    weight = "bold" if bold else "normal"
    return FontProperties(family=[*_families()], weight=weight, size=size_pt)


@cache
def _families() -> tuple[str, ...]:
    """Return the fonts that are there; the last is any that a viewer of SVG has."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return (_FONT, *(name for name in _FURTHER_FONTS if name in installed), "sans-serif")


def _width_in_ems(text: str, bold: bool) -> float:
    """Measure text, in parts of its type size; call it while drawing alone."""
    from matplotlib.backends.backend_agg import RendererAgg

    em = 100
    font = _font(em, bold)
    renderer = RendererAgg(1, 1, _POINTS_PER_INCH)
    # Between two bars, blanks and the room around letters count.
    with_bars, bars = (
        renderer.get_text_width_height_descent(f"|{part}|", font, ismath=False)[0]
        for part in (text, "")
    )
    return float(with_bars - bars) / em
