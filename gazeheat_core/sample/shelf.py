"""The sample's picture: a shop shelf, drawn.

`SHELF` describes what stands where; `place_products` turns that into pixels, once, for
the picture here and for the gaze in `gazeheat_core.sample`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from gazeheat_core.model import FloatArray, Size

Colour: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[float, float, float, float]
Point: TypeAlias = tuple[float, float]
Kind: TypeAlias = Literal["jar", "bottle", "can", "carton", "packet"]
Motif: TypeAlias = Literal[
    "leaf", "comb", "slice", "sun", "berries", "beans", "tomato", "wheat", "fish", "bowl"
]

SEED = 20250314
SIZE_PX: Size = (2000, 1500)
SUPERSAMPLING = 2

# Muted on purpose: the heatmap over it has to be the loud colour.
CREAM, PAPER, WALL = (243, 236, 221), (250, 248, 243), (226, 220, 208)
OAK, WHITE, STEEL = (205, 174, 136), (240, 237, 230), (190, 191, 188)
INK, SHADOW = (62, 66, 70), (70, 58, 48)
SAGE, OLIVE, TEAL, SLATE = (147, 166, 142), (125, 128, 88), (99, 136, 135), (116, 137, 153)
MUSTARD, HONEY, CLAY, BLUSH = (209, 172, 101), (196, 142, 72), (187, 119, 92), (221, 186, 166)
PLUM, COCOA, BRICK = (134, 100, 114), (121, 94, 78), (176, 88, 76)


# ---------------------------------------------------------------- what stands where


@dataclass(frozen=True, slots=True)
class Product:
    """One product of the shelf; `stack` is how many stand on top of each other."""

    kind: Kind
    name: str
    size_px: Size
    body: Colour
    trim: Colour
    label: Colour
    motif: Motif
    facings: int
    price: str
    stack: int = 1


@dataclass(frozen=True, slots=True)
class Placed:
    """A product on its board: left edge of its first facing, and the line it stands on."""

    product: Product
    left_px: int
    floor_px: int

    def corners_px(self) -> list[tuple[int, int]]:
        """Top left corners of all its items, lower ones of a stack first."""
        width, height = self.product.size_px
        return [
            (self.left_px + i * (width + FACING_GAP_PX), self.floor_px - level * height)
            for i in range(self.product.facings)
            for level in range(1, self.product.stack + 1)
        ]

    @property
    def tag_px(self) -> Point:
        """Centre of its price tag."""
        return (self.left_px + group_width_px(self.product) / 2, self.floor_px + TAG_DROP_PX)


SHELF: tuple[tuple[Product, ...], ...] = (
    (
        Product("bottle", "OLIO", (88, 268), OLIVE, INK, CREAM, "leaf", 4, "7.90"),
        Product("jar", "HONEY", (136, 196), HONEY, WHITE, CREAM, "comb", 3, "5.40"),
        Product("carton", "TEA", (138, 186), TEAL, MUSTARD, CREAM, "leaf", 2, "3.20"),
        Product("bottle", "TONIC", (82, 246), SLATE, MUSTARD, PAPER, "slice", 4, "2.10"),
        Product("can", "COCOA", (128, 176), COCOA, STEEL, BLUSH, "sun", 2, "4.60"),
    ),
    (
        Product("jar", "JAM", (116, 130), PLUM, CREAM, PAPER, "berries", 3, "3.80", stack=2),
        Product("packet", "COFFEE", (152, 248), INK, MUSTARD, BLUSH, "beans", 2, "8.50"),
        Product("carton", "MUESLI", (172, 262), MUSTARD, CLAY, CREAM, "sun", 2, "4.95"),
        Product("can", "TOMATO", (116, 126), CLAY, STEEL, CREAM, "tomato", 3, "1.60", stack=2),
        Product("jar", "PESTO", (108, 176), OLIVE, INK, CREAM, "leaf", 3, "3.10"),
    ),
    (
        Product("packet", "PASTA", (154, 252), SLATE, CREAM, CREAM, "wheat", 2, "1.90"),
        Product("carton", "OATS", (166, 256), CREAM, SAGE, PAPER, "wheat", 2, "2.40"),
        Product("can", "TUNA", (138, 78), TEAL, STEEL, CREAM, "fish", 3, "2.75", stack=3),
        Product("packet", "RICE", (158, 226), BLUSH, PLUM, PAPER, "bowl", 2, "2.20"),
        Product("bottle", "CORDIAL", (90, 262), BRICK, CREAM, CREAM, "berries", 3, "4.30"),
    ),
)
FLOORS_PX = (510, 893, 1276)
INSIDE_PX = (62, 1938)
HEADER_PX = 158
FACING_GAP_PX = 7
BOARD_PX, RAIL_PX = 26, 54  # below the floor: front edge of the board, then its price rail
TAG_DROP_PX = BOARD_PX + RAIL_PX / 2
SIGN_PX = (1177.0, 962.0)
BRAND, BRAND_PX = "CORNER PANTRY", (1000.0, 78.0)


def group_width_px(product: Product) -> int:
    """Width of all facings of a product side by side."""
    return product.facings * (product.size_px[0] + FACING_GAP_PX) - FACING_GAP_PX


def place_products() -> tuple[Placed, ...]:
    """Put every product of `SHELF` on its board, with equal gaps between the groups."""
    placed = []
    for products, floor_px in zip(SHELF, FLOORS_PX, strict=True):
        left, right = INSIDE_PX
        free = right - left - sum(map(group_width_px, products))
        gap = free / (len(products) + 1)
        x = left + gap
        for product in products:
            placed.append(Placed(product, round(x), floor_px))
            x += group_width_px(product) + gap
    return tuple(placed)


# ---------------------------------------------------------------- the picture


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    r, g, b = (round(p + (q - p) * share) for p, q in zip(first, second, strict=True))
    return (r, g, b)


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws on an image in lengths of `unit` device pixels.

    On the shelf a unit is a pixel of the reference image; on a product it is the
    product's width, so that a motif keeps its shape whatever the product's.
    """

    image: Image.Image
    unit: float

    def box(self, box: Box, fill: Colour, radius: float = 0) -> None:
        """Draw a rectangle, with round corners if wanted."""
        left, top, right, bottom = (v * self.unit for v in box)
        scaled = (left, top, right - 1, bottom - 1)
        ImageDraw.Draw(self.image).rounded_rectangle(scaled, radius * self.unit, fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        """Draw an ellipse around its centre."""
        scaled = [v * self.unit for v in (x - rx, y - ry, x + rx, y + ry)]
        ImageDraw.Draw(self.image).ellipse(scaled, fill)

    def shape(self, points: Iterable[Point], fill: Colour) -> None:
        """Draw a polygon."""
        scaled = [(x * self.unit, y * self.unit) for x, y in points]
        ImageDraw.Draw(self.image).polygon(scaled, fill)

    def line(self, points: Iterable[Point], fill: Colour, width: float) -> None:
        """Draw a line through points."""
        scaled = [(x * self.unit, y * self.unit) for x, y in points]
        ImageDraw.Draw(self.image).line(scaled, fill, round(width * self.unit), "curve")

    def words(self, x: float, y: float, words: str, fill: Colour, size: float) -> None:
        """Write words around their centre."""
        font = ImageFont.load_default(size * self.unit)
        at = (x * self.unit, y * self.unit)
        bold = round(size * self.unit * 0.025)  # the built-in font has one weight only
        ImageDraw.Draw(self.image).text(
            at, words, fill, font, anchor="mm", stroke_width=bold, stroke_fill=fill
        )

    def fade(self, box: Box, colour: Colour, top: float, bottom: float) -> None:
        """Lay a colour over a box, its opacity running from `top` to `bottom`."""
        left, upper, right, lower = (round(v * self.unit) for v in box)
        ramp = Image.linear_gradient("L").resize((right - left, lower - upper))
        mask = ramp.point([round(255 * top + (bottom - top) * v) for v in range(256)])
        self.image.paste(colour, (left, upper), mask)


def ring(x: float, y: float, radius: float, count: int, turn: float = 0) -> list[Point]:
    """Points at equal angles on a circle."""
    angles = 2 * np.pi * np.arange(count) / count + turn
    return [(x + radius * float(np.cos(a)), y + radius * float(np.sin(a))) for a in angles]


def blade(foot: Point, tip: Point, width: float) -> list[Point]:
    """Outline of a leaf from foot to tip; its width is a share of its length."""
    dx, dy = tip[0] - foot[0], tip[1] - foot[1]
    along = np.linspace(0, 1, 16).tolist()
    there = [(u, width / 2 * float(np.sin(np.pi * u))) for u in along]
    back = [(u, -v) for u, v in there[::-1]]
    return [(foot[0] + dx * u - dy * v, foot[1] + dy * u + dx * v) for u, v in there + back]


def draw_motif(pen: Pen, motif: Motif, x: float, y: float, r: float, ink: Colour) -> None:
    """Draw the small picture of a label inside a circle of radius `r`."""
    soft = mix(ink, PAPER, 0.45)
    match motif:
        case "leaf":
            pen.shape(blade((x - 0.05 * r, y + r), (x - 0.6 * r, y - 0.75 * r), 0.5), ink)
            pen.shape(blade((x + 0.05 * r, y + r), (x + 0.6 * r, y - r), 0.5), soft)
        case "comb":
            pen.shape(ring(x, y, 0.35 * r, 6, np.pi / 2), ink)
            for i, (cx, cy) in enumerate(ring(x, y, 0.67 * r, 6)):
                pen.shape(ring(cx, cy, 0.35 * r, 6, np.pi / 2), soft if i % 3 else ink)
        case "slice":
            for share, fill in ((1.0, ink), (0.86, PAPER), (0.76, soft)):
                pen.oval(x, y, share * r, share * r, fill)
            for end in ring(x, y, 0.76 * r, 8):
                pen.line([(x, y), end], PAPER, 0.07 * r)
        case "sun":
            for inner, outer in zip(ring(x, y, 0.74 * r, 12), ring(x, y, r, 12), strict=True):
                pen.line([inner, outer], soft, 0.11 * r)
            pen.oval(x, y, 0.58 * r, 0.58 * r, ink)
        case "berries":
            pen.shape(blade((x, y - 0.6 * r), (x + 0.7 * r, y - r), 0.5), OLIVE)
            for i, (cx, cy) in enumerate(ring(x, y + 0.15 * r, 0.5 * r, 3, -np.pi / 2)):
                pen.oval(cx, cy, 0.42 * r, 0.42 * r, soft if i == 1 else ink)
        case "beans":
            for cx in (x - 0.45 * r, x + 0.45 * r):
                pen.oval(cx, y, 0.4 * r, 0.7 * r, ink)
                vein = [
                    (cx - 0.06 * r, y - 0.6 * r),
                    (cx + 0.06 * r, y),
                    (cx - 0.06 * r, y + 0.6 * r),
                ]
                pen.line(vein, soft, 0.1 * r)
        case "tomato":
            pen.oval(x, y + 0.1 * r, 0.95 * r, 0.85 * r, ink)
            for tip in ring(x, y - 0.6 * r, 0.5 * r, 5, np.pi / 2):
                pen.shape(blade((x, y - 0.65 * r), tip, 0.5), OLIVE)
        case "wheat":
            pen.line([(x, y + r), (x, y - 0.4 * r)], ink, 0.08 * r)
            pen.shape(blade((x, y - 0.4 * r), (x, y - r), 0.5), ink)
            for rung in (-0.1, 0.3, 0.7):
                for side, fill in ((-1, ink), (1, soft)):
                    tip = (x + 0.42 * side * r, y + (rung - 0.52) * r)
                    pen.shape(blade((x, y + rung * r), tip, 0.42), fill)
        case "fish":
            pen.shape(blade((x + 0.6 * r, y), (x - r, y), 0.62), ink)
            pen.shape([(x + 0.4 * r, y), (x + r, y - 0.42 * r), (x + r, y + 0.42 * r)], soft)
            pen.oval(x - 0.62 * r, y - 0.08 * r, 0.07 * r, 0.07 * r, PAPER)
        case "bowl":
            pen.oval(x, y - 0.1 * r, 0.74 * r, 0.56 * r, soft)
            pen.shape(ring(x, y - 0.1 * r, 0.95 * r, 48)[:25], ink)


def ink_of(product: Product) -> Colour:
    """A dark ink that belongs to the product's colours."""
    pale = sum(product.body) > 600
    return mix(product.trim if pale else product.body, INK, 0.3)


def draw_label(pen: Pen, product: Product, box: Box, radius: float = 0) -> None:
    """Draw a label: its paper, a motif above, the product's name below."""
    left, top, right, bottom = box
    height, x, ink = bottom - top, (left + right) / 2, ink_of(product)
    size = min(0.21, 1.2 * (right - left) / len(product.name), 0.3 * height)
    r = min(0.36 * (right - left), 0.46 * (height - 1.7 * size))
    pen.box(box, product.label, radius)
    draw_motif(pen, product.motif, x, top + (height - 1.35 * size) / 2, r, ink)
    pen.words(x, bottom - 0.85 * size, product.name, mix(ink, INK, 0.4), size)


def draw_jar(pen: Pen, product: Product, tall: float) -> None:
    """Glass with its contents to the shoulder, a lid and a label around it."""
    pen.box((0, 0.19, 1, tall), mix(product.body, PAPER, 0.45), 0.16)
    pen.box((0.03, 0.32, 0.97, tall - 0.03), product.body, 0.13)
    pen.box((0.06, 0.01, 0.94, 0.22), product.trim, 0.05)
    pen.box((0.06, 0.17, 0.94, 0.2), mix(product.trim, INK, 0.3))
    draw_label(pen, product, (0, 0.38, 1, tall - 0.12))


def draw_bottle(pen: Pen, product: Product, tall: float) -> None:
    """A long neck on round shoulders, with a cap."""
    turn = np.linspace(0, np.pi / 2, 16)
    shoulder = [(0.33 * (1 - np.sin(a)), 0.95 + 0.5 * (1 - np.cos(a))) for a in turn]
    outline = [(0.33, 0.1), *shoulder]
    outline += [(1 - x, y) for x, y in outline[::-1]]
    pen.shape(outline, product.body)
    pen.box((0, 1.4, 1, tall), product.body, 0.1)
    pen.box((0, 1.4, 1, 1.7), product.body)
    pen.box((0.3, 0, 0.7, 0.36), product.trim, 0.04)
    pen.box((0.33, 0.56, 0.67, 0.84), product.label)
    draw_label(pen, product, (0, 1.5, 1, tall - 0.24))


def draw_can(pen: Pen, product: Product, tall: float) -> None:
    """A tin between two steel rims."""
    pen.box((0, 0, 1, tall), mix(product.trim, INK, 0.15), 0.05)
    pen.box((0.015, 0.02, 0.985, tall - 0.02), product.trim, 0.04)
    pen.box((0.01, 0.075, 0.99, tall - 0.075), product.body)
    draw_label(pen, product, (0.01, 0.17 * tall, 0.99, 0.84 * tall))


def draw_carton(pen: Pen, product: Product, tall: float) -> None:
    """A folding box with a band at the top and a round picture."""
    pen.box((0, 0, 1, tall), product.body, 0.015)
    pen.box((0, 0, 1, 0.2), product.trim)
    pen.box((0, 0.2, 1, 0.215), mix(product.body, PAPER, 0.5))
    pen.words(0.47, 0.105, BRAND, mix(product.trim, PAPER, 0.75), 0.085)
    draw_label(pen, product, (0.1, 0.32, 0.84, tall - 0.24), 0.06)
    for x in (0.38, 0.47, 0.56):
        pen.oval(x, tall - 0.12, 0.022, 0.022, product.trim)
    pen.box((0.94, 0, 1, tall), mix(product.body, SHADOW, 0.3))
    pen.box((0.94, 0, 1, 0.2), mix(product.trim, SHADOW, 0.3))


def draw_packet(pen: Pen, product: Product, tall: float) -> None:
    """A soft bag, crimped above and below."""
    t = np.linspace(0, 1, 40)
    side = [(0.03 - 0.03 * float(np.sin(np.pi * v)), 0.06 + v * (tall - 0.06)) for v in t]
    teeth = [(0.03 + 0.94 * i / 24, 0.015 * (i % 2)) for i in range(25)]
    pen.shape([*teeth, *((1 - x, y) for x, y in side), *side[::-1]], product.body)
    pen.box((0.03, 0.14, 0.97, 0.155), mix(product.body, INK, 0.3))
    pen.box((0.015, 0.2, 0.985, 0.225), product.trim)
    pen.oval(0.5, 0.54 * tall, 0.34, 0.34, product.label)
    draw_motif(pen, product.motif, 0.5, 0.54 * tall, 0.24, ink_of(product))
    pen.words(0.5, 0.87 * tall, product.name, product.trim, 0.17)


DRAW: dict[Kind, Callable[[Pen, Product, float], None]] = {
    "jar": draw_jar,
    "bottle": draw_bottle,
    "can": draw_can,
    "carton": draw_carton,
    "packet": draw_packet,
}


def light_on(kind: Kind, size: Size) -> FloatArray:
    """Light on a product, shape (height, width): 0 is black, 1 its own colour, 2 white."""
    x: FloatArray = np.linspace(-1, 1, size[0])[None, :]
    y: FloatArray = np.linspace(-1, 1, size[1])[:, None]
    light: FloatArray
    if kind == "carton":
        light = 1.02 - 0.05 * x - 0.05 * y
    elif kind == "packet":
        crease = 0.03 * np.sin(9 * x + 4 * y) * np.abs(y) ** 3
        light = 1.05 - 0.24 * (x + 0.15) ** 4 - 0.14 * np.abs(y) ** 6 - 0.07 * x + crease
    else:
        gloss = (0.16 if kind == "can" else 0.3) * np.exp(-(((x + 0.58) / 0.09) ** 2))
        light = 1.06 - 0.42 * np.abs(x + 0.12) ** 2.6 + gloss - 0.03 * y
    return light


def draw_product(product: Product) -> Image.Image:
    """Draw one item of a product, with its light, on a clear ground."""
    width, height = (side * SUPERSAMPLING for side in product.size_px)
    image = Image.new("RGBA", (width, height))
    DRAW[product.kind](Pen(image, width), product, height / width)
    pixels = np.array(image, dtype=np.float64)
    light = light_on(product.kind, (width, height))[..., None]
    rgb = pixels[..., :3]
    pixels[..., :3] = rgb * np.minimum(light, 1) + (255 - rgb) * np.maximum(light - 1, 0)
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def draw_wood(size: Size, rng: np.random.Generator) -> Image.Image:
    """A strip of oak: noise, stretched along the grain."""
    width, height = size
    coarse = rng.normal(0, 1, (max(2, height // 3), max(2, width // 260)))
    grain = np.asarray(
        Image.fromarray(coarse.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    )
    pixels = np.array(OAK) + 7.0 * grain[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def light_room(picture: Image.Image) -> Image.Image:
    """Darken the picture softly away from a lamp above its middle, left."""
    width, height = picture.size
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    light = 1.05 - 0.3 * (x - 0.42) ** 2 - 0.12 * y**2
    pixels = np.asarray(picture) * light * np.array([1.0, 0.995, 0.98], dtype=np.float32)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def draw_shelf() -> Image.Image:
    """Draw the shop shelf, the sample's reference image.

    Returns
    -------
    PIL.Image.Image
        RGB, of `SIZE_PX`. The same pixels on each call.
    """
    rng = np.random.default_rng(SEED)
    width, height = SIZE_PX
    canvas = Image.new("RGB", (width * SUPERSAMPLING, height * SUPERSAMPLING), WALL)
    pen = Pen(canvas, SUPERSAMPLING)
    placed = place_products()
    sprites = {p.product.name: draw_product(p.product) for p in placed}
    draw_gondola(pen)
    cast_shadows(canvas, placed, sprites)
    for floor_px in FLOORS_PX:
        draw_board(pen, floor_px, rng)
    for group in placed:
        left, right = group.left_px, group.left_px + group_width_px(group.product)
        pen.fade((left, group.floor_px - 2, right + 6, group.floor_px + 7), SHADOW, 0.55, 0)
        sprite = sprites[group.product.name]
        for x, y in group.corners_px():
            canvas.paste(sprite, (x * SUPERSAMPLING, y * SUPERSAMPLING), sprite)
        draw_price_tag(pen, group)
    draw_sale_sign(pen)
    return light_room(canvas.reduce(SUPERSAMPLING))


def draw_gondola(pen: Pen) -> None:
    """Draw the wall, the back panels, the uprights, the header and the plinth."""
    width, height = SIZE_PX
    left, right = INSIDE_PX
    for post in (left - 36, right):
        pen.box((post, 0, post + 36, height), mix(WHITE, SHADOW, 0.22))
        pen.box((post + 3, 0, post + 33, height), WHITE)
    top = HEADER_PX
    for floor_px in FLOORS_PX:
        pen.fade((left, top, right, floor_px), PAPER, 0.75, 0.3)
        pen.fade((left, top, right, top + 130), SHADOW, 0.36, 0)
        top = floor_px + BOARD_PX + RAIL_PX
    pen.box((0, 0, width, HEADER_PX), SAGE)
    pen.fade((0, 0, width, HEADER_PX), INK, 0, 0.16)
    pen.box((0, HEADER_PX - 7, width, HEADER_PX), OAK)
    x, y = BRAND_PX
    for i, letter in enumerate(BRAND):
        pen.words(x + 58 * (i - (len(BRAND) - 1) / 2), y, letter, CREAM, 62)
    for side in (-1, 1):
        draw_motif(pen, "leaf", x + side * 500, y, 30, CREAM)
    pen.box((left, top, right, height), mix(WALL, SHADOW, 0.12))
    pen.fade((left, top, right, top + 110), SHADOW, 0.5, 0)
    pen.box((0, height - 58, width, height), mix(OAK, SHADOW, 0.45))
    pen.fade((0, height - 58, width, height), SHADOW, 0.45, 0)


def cast_shadows(
    canvas: Image.Image, placed: Sequence[Placed], sprites: dict[str, Image.Image]
) -> None:
    """Darken the back panel behind the products, as a lamp above and to the left does."""
    coarse = 4  # a soft shadow needs no more pixels than these
    mask = Image.new("L", (SIZE_PX[0] // coarse, SIZE_PX[1] // coarse))
    for group in placed:
        shape = sprites[group.product.name].getchannel("A").reduce(SUPERSAMPLING * coarse)
        for x, y in group.corners_px():
            mask.paste(255, ((x + 18) // coarse, (y + 14) // coarse), shape)
    soft = mask.filter(ImageFilter.GaussianBlur(4)).point([v * 0.5 for v in range(256)])
    canvas.paste(SHADOW, (0, 0), soft.resize(canvas.size, Image.Resampling.BICUBIC))


def draw_board(pen: Pen, floor_px: int, rng: np.random.Generator) -> None:
    """Draw an oak board with its price rail."""
    left, right = INSIDE_PX
    back, front = floor_px - 12, floor_px + 8
    rail = floor_px + BOARD_PX
    unit = SUPERSAMPLING
    wood = draw_wood(((right - left) * unit, (rail - back) * unit), rng)
    pen.image.paste(wood, (left * unit, back * unit))
    pen.fade((left, back, right, front), SHADOW, 0.5, 0.12)
    pen.fade((left, front, right, front + 3), PAPER, 0.6, 0.2)
    pen.fade((left, front, right, rail), SHADOW, 0, 0.12)
    pen.box((left, rail, right, rail + RAIL_PX), WHITE)
    pen.fade((left, rail, right, rail + 8), SHADOW, 0.3, 0)
    pen.fade((left, rail + RAIL_PX - 10, right, rail + RAIL_PX), SHADOW, 0, 0.22)


def draw_price_tag(pen: Pen, group: Placed) -> None:
    """Draw a paper tag in the rail: name, bars of a bar code, price."""
    x, y = group.tag_px
    pen.box((x - 60, y - 20, x + 64, y + 23), mix(WHITE, SHADOW, 0.25), 4)
    pen.box((x - 62, y - 22, x + 62, y + 21), PAPER, 4)
    pen.words(x - 28, y - 10, group.product.name, INK, 12)
    for i in range(14):
        bar = x - 54 + 3.8 * i
        pen.box((bar, y, bar + 1.5 + i % 3 * 0.5, y + 14), mix(INK, PAPER, 0.25))
    pen.words(x + 32, y, group.product.price, INK, 27)


def draw_sale_sign(pen: Pen) -> None:
    """Draw the round sign that hangs from the rail."""
    x, y = SIGN_PX
    pen.oval(x + 3, y + 6, 66, 66, mix(WALL, SHADOW, 0.35))
    pen.oval(x, y, 66, 66, BRICK)
    pen.oval(x, y, 60, 60, PAPER)
    pen.oval(x, y, 58, 58, BRICK)
    pen.words(x, y - 14, "SALE", PAPER, 38)
    pen.words(x, y + 22, "2 for 1", PAPER, 24)
