"""What a visitor does with the page, from the first look to the files."""

import io
import re
from urllib.parse import parse_qs, urljoin, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

import gazeheat_core as gh
from gazeheat_core.sample import sample_zip
from tests import builders
from tests.browser.conftest import (
    add_files,
    box,
    difference,
    download,
    drawn,
    drop,
    hover_label,
    layer,
    line,
    open_sample,
    picture,
    segments,
    serving,
    settled,
    shown_picture,
    untick,
)
from tests.builders import MM, Row

# builders.ROWS, as the page sums them up.
ALL_COUNTED = "5 samples of 2 recordings · 1 outside · 1 undetected · 2 unreadable = 9 rows"
DEFAULT = gh.Look()
WHOLE = (0, 0, 1, 1)


def read(zipped):
    (export,) = gh.read_exports(gh.Upload("export.zip", io.BytesIO(zipped)))
    return export


def computed(zipped, look=DEFAULT, *, without=()):
    """What the core makes of an export."""
    export = read(zipped)
    chosen = [h for h in gh.bin_recordings(export) if h.name not in without]
    heatmap = gh.make_heatmap(chosen, export.image.size, look.scale)
    return heatmap, gh.render(heatmap, export.image, look)


def texts(zipped, look=DEFAULT, *, without=()):
    """What the files of an export say of themselves."""
    study = gh.track_export(read(zipped))
    chosen = [i for i, one in enumerate(study.recordings) if one.name not in without]
    return gh.png_texts(gh.account_of(study, chosen, look))


@pytest.fixture(scope="module")
def sample():
    return sample_zip()


@pytest.fixture(scope="session")
def real_marker_mapper(real_data):
    """The real Marker Mapper export, zipped as a download is."""
    folder = real_data / "marker_mapper_cloud_2025"
    name = builders.folder_name("Poster", MM)
    files = {f"{name}/{file.name}": file.read_bytes() for file in sorted(folder.iterdir())}
    return builders.write_zip(io.BytesIO(), files).getvalue()


# --- The empty page ------------------------------------------------------------------


def test_the_empty_page_explains_itself(page):
    expect(page.get_by_role("heading", name="Gazeheat", level=1)).to_be_visible()
    expect(
        page.get_by_text("See where people looked: a heatmap over your reference image.")
    ).to_be_visible()
    shelf = page.get_by_role("img", name=re.compile("^A shop shelf under a heatmap"))
    expect(shelf).to_be_visible()
    page.wait_for_function("image => image.naturalWidth > 0", arg=shelf.element_handle())
    expect(page.get_by_role("button", name="Upload", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Try the sample")).to_be_visible()
    steps = page.get_by_text("On the enrichment, choose Download.")
    expect(steps).not_to_be_visible()
    page.get_by_text("Where do I get the export?").click()
    expect(steps).to_be_visible()
    privacy = page.get_by_text("Nothing is written to disk")
    expect(privacy).not_to_be_visible()
    page.get_by_text("What happens to my data?").click()
    expect(privacy).to_be_visible()


# --- The sample ----------------------------------------------------------------------


def test_the_sample_says_what_became_of_every_row_and_what_each_place_is_worth(page, sample):
    open_sample(page)
    export = read(sample)
    heatmap, _ = computed(sample)
    counts = heatmap.counts
    expect(line(page)).to_have_text(
        f"{counts.used:,} samples of 4 recordings · {counts.outside:,} outside · "
        f"{counts.undetected:,} undetected · {counts.unreadable:,} unreadable = "
        f"{export.rows:,} rows"
    )
    assert counts.used + counts.outside + counts.undetected + counts.unreadable == export.rows
    for recording in export.recordings:
        expect(box(page, recording.name)).to_be_checked()
    # The colour bar goes from 0 to 100 percent.
    ticks = page.locator(".colorbar .cbaxis text")
    expect(page.locator(".colorbar .cbtitle text")).to_have_text("% of the longest gaze")
    expect(ticks).to_have_text(["0 %", "25 %", "50 %", "75 %", "100 %"])
    heights = [tick.bounding_box()["y"] for tick in ticks.all()]
    assert heights == sorted(heights, reverse=True)
    # Hovering tells the value and the position.
    rows, columns = heatmap.values.shape
    width, height = read(sample).image.size
    at = picture(page).bounding_box()
    hottest = divmod(int(heatmap.values.argmax()), columns)
    for row, column in (hottest, (rows // 2, columns // 4), (rows // 4, columns // 2)):
        across, down = (column + 0.5) / columns, (row + 0.5) / rows
        page.mouse.move(at["x"] + across * at["width"], at["y"] + down * at["height"])
        percent = round(100 * heatmap.values[row, column])
        x, y = round(across * width), round(down * height)
        said = f"{percent} % x {x} px, y {y} px"
        expect(hover_label(page)).to_have_text(said)
    assert heatmap.values[hottest] == 1


# --- Ticks ---------------------------------------------------------------------------


def test_a_tick_redraws_its_part_of_the_page_only(visit):
    page = visit()
    received = []

    def listen(socket):
        socket.on("framereceived", lambda frame: received.append(ForwardMsg.FromString(frame)))

    page.on("websocket", listen)
    page.reload()
    before = open_sample(page)
    expect(line(page)).to_contain_text("of 4 recordings")
    page.evaluate("document.querySelector('.st-key-bar').dataset.marker = 'still here'")
    received.clear()
    untick(page, "P02")
    drawn(page, instead_of=before)
    expect(line(page)).to_contain_text("of 3 recordings")
    fragments = {one.delta.fragment_id for one in received if one.HasField("delta")}
    assert len(fragments) == 1
    assert "" not in fragments, "something outside the fragment was sent again"
    kinds = {one.delta.new_element.WhichOneof("type") for one in received}
    assert kinds == {None, "html", "markdown", "bidi_component"}, "a control was sent again"
    expect(page.locator(".st-key-bar")).to_have_attribute("data-marker", "still here")


def test_the_picture_is_fetched_once_and_not_with_every_tick(page):
    fetched = []
    page.on("request", lambda request: fetched.append(request.url))
    source = open_sample(page)
    address = urljoin(page.url, picture(page).get_attribute("href"))
    assert fetched.count(address) == 1
    for name in ("P02", "P01", "P02"):
        untick(page, name)
        source = drawn(page, instead_of=source)
    assert urljoin(page.url, picture(page).get_attribute("href")) == address
    assert fetched.count(address) == 1
    with Image.open(io.BytesIO(page.request.get(address).body())) as shown:
        assert (shown.format, max(shown.size)) == ("JPEG", 1600)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("button", name="Try the sample")).to_be_visible()
    assert page.request.get(address).status == 404


def test_the_picture_is_gone_once_its_visitor_has_left(browser, tmp_path):
    with serving(tmp_path, "--server.disconnectedSessionTTL=0") as address:
        visitor, other = browser.new_context(), browser.new_context()
        page, witness = visitor.new_page(), other.new_page()
        page.goto(address)
        witness.goto(address)
        open_sample(page)
        its_picture = urljoin(address, picture(page).get_attribute("href"))
        assert witness.request.get(its_picture).ok
        visitor.close()
        witness.wait_for_function("async url => (await fetch(url)).status === 404", arg=its_picture)
        other.close()


def test_a_tick_changes_the_picture_and_the_line(page, sample):
    before = open_sample(page)
    untick(page, "P02")
    drawn(page, instead_of=before)
    heatmap, images = computed(sample, without=("P02",))
    counts = heatmap.counts
    rows = read(sample).rows
    expect(line(page)).to_have_text(
        f"{counts.used:,} samples of 3 recordings · {counts.outside:,} outside · "
        f"{counts.undetected:,} undetected · {counts.unreadable:,} unreadable · "
        f"{rows - counts.rows:,} not ticked = {rows:,} rows"
    )
    assert difference(*shown_picture(page), images.overlay) <= 3
    name, data = download(page, "overlay")
    assert name == "Shop shelf_overlay_3-of-4_scale-5.png"
    assert data == gh.encode_png(images.overlay, texts(sample, without=("P02",)))


def test_none_leaves_the_bare_picture_and_all_brings_everything_back(page, sample):
    open_sample(page)
    first = line(page).text_content()
    before, _ = shown_picture(page)
    page.get_by_role("button", name="None", exact=True).click()
    expect(line(page)).to_have_text(
        "No recording is ticked, so the picture is bare. Tick one to see where its wearer "
        f"looked. The file has {read(sample).rows:,} rows."
    )
    expect(layer(page)).to_have_count(0)
    for what in ("heatmap", "overlay"):
        expect(page.get_by_role("button", name=f"Download {what}")).to_be_disabled()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert difference(*shown_picture(page), gh.open_picture(read(sample).image)) <= 3
    page.get_by_role("button", name="All", exact=True).click()
    drawn(page)
    expect(line(page)).to_have_text(first)
    expect(page.get_by_role("button", name="Download overlay")).to_be_enabled()
    after, _ = shown_picture(page)
    assert difference(after, WHOLE, before) == 0


# --- Settings ------------------------------------------------------------------------


def in_address(page):
    return {key: value for key, (value,) in parse_qs(urlsplit(page.url).query).items()}


def test_settings_work_by_keyboard_and_live_in_the_address(visit, sample):
    page = visit()
    before = open_sample(page)
    assert in_address(page) == {}
    page.get_by_role("slider", name="Scale").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.wait_for_url("**?*scale=3*")
    page.get_by_role("slider", name="Opacity").focus()
    page.keyboard.press("End")
    page.wait_for_url("**opacity=1*")
    page.get_by_role("combobox", name="Colours").click()
    page.get_by_role("option", name="Viridis").click()
    page.wait_for_url("**colours=Viridis*")
    drawn(page, instead_of=before)
    settings = in_address(page)
    assert settings.keys() == {"scale", "opacity", "colours"}
    assert (float(settings["scale"]), float(settings["opacity"])) == (3, 1)
    look = gh.Look(3, 1, "viridis")
    _, images = computed(sample, look)
    expect(page.locator(".colorbar .cbfills rect").first).to_be_visible()
    assert difference(*shown_picture(page), images.overlay) <= 3
    assert download(page, "overlay")[1] == gh.encode_png(images.overlay, texts(sample, look))

    other = visit("/?" + urlsplit(page.url).query)
    open_sample(other)
    expect(other.get_by_role("slider", name="Scale")).to_have_value("3")
    expect(other.get_by_role("slider", name="Opacity")).to_have_value("1")
    expect(other.get_by_role("combobox", name="Colours")).to_have_value("Viridis")
    assert difference(*shown_picture(other), images.overlay) <= 3
    assert in_address(other) == settings

    other.get_by_role("button", name="Reset").click()
    expect(other.get_by_role("slider", name="Scale")).to_have_value("5")
    expect(other.get_by_role("slider", name="Opacity")).to_have_value("0.8")
    expect(other.get_by_role("combobox", name="Colours")).to_have_value("Turbo")
    other.wait_for_function("location.search === ''")
    expect(page.get_by_role("slider", name="Scale")).to_have_value("3")


# --- The files -----------------------------------------------------------------------


def test_the_downloads_are_exactly_what_the_core_makes(page, sample):
    open_sample(page)
    _, images = computed(sample)
    alone_name, alone = download(page, "heatmap")
    overlay_name, overlay = download(page, "overlay")
    assert (alone_name, overlay_name) == (
        "Shop shelf_heatmap_4-of-4_scale-5.png",
        "Shop shelf_overlay_4-of-4_scale-5.png",
    )
    assert alone == gh.encode_png(images.heatmap, texts(sample))
    assert overlay == gh.encode_png(images.overlay, texts(sample))
    reference = gh.open_picture(read(sample).image)
    alone, overlay = (Image.open(io.BytesIO(data)) for data in (alone, overlay))
    assert alone.size == overlay.size == reference.size
    assert (alone.mode, overlay.mode) == ("RGBA", "RGB")
    laid = Image.alpha_composite(reference.convert("RGBA"), alone).convert("RGB")
    assert np.abs(np.asarray(laid, int) - np.asarray(overlay, int)).max() <= 1


def test_a_file_name_holds_nothing_that_a_system_refuses(page):
    people = [("rec-a", "sec-a", "P01", "Ada"), ("rec-b", "sec-b", "P02", "Ben")]
    files = builders.export_files(people=people)
    folder = builders.folder_name('Shelf: "left" <2>|?*')
    zipped = builders.write_zip(io.BytesIO(), {f"{folder}/{n}": d for n, d in files.items()})
    drop(page, {"study.zip": zipped.getvalue()})
    drawn(page)
    name, _ = download(page, "overlay")
    assert name == "Shelf_ _left_ _2_____overlay_2-of-2_scale-5.png"


def noisy_picture(size):
    """A picture with as much detail as a photo."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (max(2, size[1] // 40), max(2, size[0] // 40), 3), np.uint8)
    picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def spread_rows(size, count=400):
    """Gaze in two places and a thin spread, for people of `builders.PEOPLE`."""
    rng = np.random.default_rng(2)
    at = np.concatenate([rng.normal((0.3, 0.2), 0.04, (count, 2)), rng.random((count, 2))])
    return [Row(float(x * size[0]), float(y * size[1])) for x, y in at]


def study(size, **options):
    return builders.export_zip(
        rows=spread_rows(size), size=size, picture_data=noisy_picture(size), **options
    )


PORTRAIT = (900, 1600)
WIDE = (2400, 500)
SMALL = (320, 240)


@pytest.mark.parametrize(
    ("size", "look"),
    [
        pytest.param(PORTRAIT, gh.Look(), id="portrait"),
        pytest.param(WIDE, gh.Look(2.5, 0.6, "magma"), id="wide"),
        pytest.param(SMALL, gh.Look(5, 0.8, "greys"), id="smaller-than-shown"),
        pytest.param(PORTRAIT, gh.Look(0, 1, "cividis"), id="portrait-bare-counts"),
    ],
)
def test_what_is_shown_is_what_is_downloaded(visit, size, look):
    zipped = study(size)
    page = visit(query(look))
    drop(page, {"study.zip": zipped})
    drawn(page)
    data = download(page, "overlay")[1]
    assert data == gh.encode_png(computed(zipped, look)[1].overlay, texts(zipped, look))
    assert difference(*shown_picture(page), Image.open(io.BytesIO(data))) <= 3


def query(look):
    return f"/?scale={look.scale}&opacity={look.opacity}&colours={look.colormap.title()}"


def test_the_sample_is_shown_as_it_is_downloaded(page, sample):
    look = gh.Look()
    open_sample(page)
    data = download(page, "overlay")[1]
    assert data == gh.encode_png(computed(sample, look)[1].overlay, texts(sample, look))
    assert difference(*shown_picture(page), Image.open(io.BytesIO(data))) <= 3


def test_a_real_marker_mapper_export_goes_all_the_way(page, real_marker_mapper):
    drop(page, {"Timeseries.zip": real_marker_mapper})
    drawn(page)
    export = read(real_marker_mapper)
    heatmap, images = computed(real_marker_mapper)
    assert len(export.recordings) == 3
    assert export.rows == 3917
    expect(segments(page)).to_have_text(["Poster"])
    for recording in export.recordings:
        expect(box(page, recording.name)).to_be_checked()
    expect(line(page)).to_contain_text(f"{heatmap.counts.used:,} samples of 3 recordings")
    expect(line(page)).to_contain_text("= 3,917 rows")
    name, data = download(page, "overlay")
    assert name == "Poster_overlay_3-of-3_scale-5.png"
    own = texts(real_marker_mapper)
    assert data == gh.encode_png(images.overlay, own)
    assert download(page, "heatmap")[1] == gh.encode_png(images.heatmap, own)
    assert Image.open(io.BytesIO(data)).size == (1500, 958)
    assert difference(*shown_picture(page), images.overlay) <= 3


# --- More than one export ------------------------------------------------------------


def titles(page):
    """What the open exports are called in the bar."""
    settled(page)
    return segments(page).all_text_contents()


def shows(page, title):
    """Wait until the bar has switched to an export."""
    chosen = page.get_by_role("radio", name=title, exact=True, checked=True)
    expect(chosen.and_(segments(page))).to_be_visible()
    settled(page)


def choose(page, title):
    segments(page).get_by_text(title, exact=True).click()
    shows(page, title)


def test_a_zip_with_two_enrichments_offers_both(page):
    files = {
        f"{builders.folder_name(name, kind)}/{file}": data
        for name, kind in (("Shelf", builders.RIM), ("Poster", MM))
        for file, data in builders.export_files(kind=kind).items()
    }
    drop(page, {"both.zip": builders.write_zip(io.BytesIO(), files).getvalue()})
    drawn(page)
    assert sorted(titles(page)) == ["Poster", "Shelf"]
    choose(page, "Shelf")
    expect(page).to_have_title("Shelf · Gazeheat")
    expect(line(page)).to_have_text(ALL_COUNTED)
    choose(page, "Poster")
    expect(page).to_have_title("Poster · Gazeheat")
    expect(line(page)).to_have_text(ALL_COUNTED)


def test_loose_files_of_one_export_make_an_export(page):
    drop(page, builders.export_files())
    drawn(page)
    expect(line(page)).to_have_text(ALL_COUNTED)


def test_files_can_be_added_removed_and_cleared(page):
    zipped = builders.export_zip()
    drop(page, {"shelf.zip": zipped})
    shows(page, "Shelf")
    add_files(page, {"poster.zip": builders.export_zip(name="Poster", kind=MM)})
    shows(page, "Poster")
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)  # it would cover the picture
    add_files(page, {"shelf.zip": zipped})
    shows(page, "Shelf (2)")
    assert titles(page) == ["Shelf", "Poster", "Shelf (2)"]
    choose(page, "Poster")
    page.get_by_role("button", name="Remove").click()
    shows(page, "Shelf (2)")
    assert titles(page) == ["Shelf", "Shelf (2)"]
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("button", name="Try the sample")).to_be_visible()
    expect(segments(page)).to_have_count(0)
    open_sample(page)
    assert titles(page) == ["Shop shelf"]


def test_undo_after_a_clear_brings_the_picture_and_the_ticks_back(page):
    before = open_sample(page)
    untick(page, "P02")
    drawn(page, instead_of=before)
    counts = line(page).text_content()
    seen, _ = shown_picture(page)
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Name of this export").fill("Wall")
    page.keyboard.press("Enter")
    shows(page, "Wall")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Wall was cleared.")).to_be_visible()
    expect(page).to_have_title("Gazeheat")
    # The offer goes by itself after what is left of two minutes; here, time is set on and back.
    offer = page.locator(".st-key-undo")
    left_ms = offer.evaluate("it => it.getAnimations()[0].effect.getTiming().delay")
    assert 60_000 < left_ms <= 120_000
    offer.evaluate("it => it.getAnimations()[0].finish()")
    expect(page.get_by_text("Wall was cleared.")).to_be_hidden()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    offer.evaluate("it => it.getAnimations()[0].currentTime = 0")
    page.get_by_role("button", name="Undo").click()
    drawn(page)
    shows(page, "Wall")
    expect(page).to_have_title("Wall · Gazeheat")
    expect(box(page, "P02")).not_to_be_checked()
    expect(line(page)).to_have_text(counts)
    assert difference(shown_picture(page)[0], WHOLE, seen) == 0
    assert download(page, "overlay")[0] == "Wall_overlay_3-of-4_scale-5.png"


def test_each_export_keeps_its_ticks(page):
    drop(page, {"a.zip": builders.export_zip(), "b.zip": builders.export_zip(name="Poster")})
    shows(page, "Poster")
    untick(page, "P01")
    expect(line(page)).to_contain_text("2 samples of 1 recording")
    choose(page, "Shelf")
    expect(box(page, "P01")).to_be_checked()
    expect(line(page)).to_have_text(ALL_COUNTED)
    untick(page, "P02")
    expect(line(page)).to_contain_text("3 samples of 1 recording")
    choose(page, "Poster")
    expect(box(page, "P01")).not_to_be_checked()
    expect(box(page, "P02")).to_be_checked()
    expect(line(page)).to_contain_text("2 samples of 1 recording")
    choose(page, "Shelf")
    expect(box(page, "P01")).to_be_checked()
    expect(box(page, "P02")).not_to_be_checked()


# --- What goes wrong -----------------------------------------------------------------

RAW = b"section id,recording id,timestamp [ns],gaze x [px],gaze y [px],worn,fixation id,blink id\n"


def test_bad_files_are_explained_and_nothing_is_lost(page):
    drop(page, {"shelf.zip": builders.export_zip()})
    drawn(page)
    untick(page, "P01")
    expect(line(page)).to_contain_text("2 samples of 1 recording")
    empty = {"gaze.csv": builders.gaze_csv([])}
    add_files(
        page,
        {
            "notes.zip": b"just words",
            "half.zip": builders.export_zip()[:-200],
            "empty.zip": builders.write_zip(io.BytesIO(), empty).getvalue(),
            "broken.zip": builders.export_zip(name="Broken", picture_data=b"\xff\xd8\xff no"),
            "poster.zip": builders.export_zip(name="Poster"),
            "gaze.csv": RAW,
        },
    )
    expect(page.get_by_role("alert")).to_have_text(
        [
            re.compile("notes.zip: this is no ZIP. Give the ZIP as downloaded"),
            re.compile("half.zip: the ZIP is damaged or incomplete"),
            re.compile("gaze.csv in empty.zip: there is a header but no gaze below it"),
            re.compile("gaze.csv: this is gaze in a raw recording's scene camera"),
        ]
    )
    page.keyboard.press("Escape")
    assert titles(page) == ["Shelf", "Broken", "Poster"]
    choose(page, "Broken")
    expect(page.get_by_text("this is no picture. Give a JPEG or a PNG file.")).to_be_visible()
    expect(page.get_by_role("heading", name="Which picture was looked at?")).to_be_visible()
    choose(page, "Shelf")
    expect(line(page)).to_contain_text("2 samples of 1 recording")


def test_the_words_of_a_problem_go_with_the_next_files(page):
    drop(page, {"notes.zip": b"just words"})
    expect(page.get_by_role("alert")).to_contain_text("notes.zip: this is no ZIP")
    drop(page, {"shelf.zip": builders.export_zip()})
    drawn(page)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_missing_picture_is_asked_for(page):
    drop(page, {"shelf.zip": builders.export_zip(size=None)})
    expect(page.get_by_role("heading", name="Which picture was looked at?")).to_be_visible()
    expect(page.get_by_text("This export holds no reference image.")).to_be_visible()
    expect(page.get_by_role("button", name="Use plain ground")).to_have_count(0)
    drop(page, {"small.png": builders.picture_bytes((9, 7), "PNG")})
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("small.png is 9 × 7 px, but the gaze reaches")
    expect(alert).to_contain_text("Give the reference image in the size that was uploaded")
    drop(page, {"photo.jpeg": builders.picture_bytes((40, 30))})
    drawn(page)
    expect(line(page)).to_have_text(ALL_COUNTED)
    expect(alert).to_have_count(0)


def test_a_lone_picture_among_the_added_files_goes_to_the_open_export(page):
    drop(page, {"shelf.zip": builders.export_zip(size=None)})
    expect(page.get_by_role("heading", name="Which picture was looked at?")).to_be_visible()
    add_files(page, {"photo.jpeg": builders.picture_bytes((40, 30))})
    drawn(page)
    expect(line(page)).to_have_text(ALL_COUNTED)
    page.keyboard.press("Escape")
    add_files(page, {"narrow.jpeg": builders.picture_bytes((20, 30))})
    expect(page.get_by_role("alert")).to_contain_text(
        "narrow.jpeg is 20 × 30 px, but the export's own reference image is 40 × 30 px"
    )
    expect(line(page)).to_have_text(ALL_COUNTED)


def test_a_surface_without_a_picture_can_have_a_plain_ground(page):
    drop(page, {"wall.zip": builders.export_zip(kind=MM, size=None)})
    expect(page.get_by_role("heading", name="Which picture was looked at?")).to_be_visible()
    page.get_by_role("spinbutton", name="Width").fill("4")
    page.get_by_role("spinbutton", name="Height").fill("3")
    page.get_by_role("button", name="Use plain ground").click()
    drawn(page)
    expect(line(page)).to_have_text(ALL_COUNTED)
    data = download(page, "overlay")[1]
    overlay = Image.open(io.BytesIO(data))
    assert overlay.size == (1500, 1125)
    assert difference(*shown_picture(page), overlay) <= 3


# --- Others, and many ----------------------------------------------------------------


def test_one_visitor_never_sees_what_another_has_brought(visit):
    ada, ben = visit(), visit()
    drop(ada, {"secret.zip": builders.export_zip(name="Secret")})
    drawn(ada)
    expect(ben.get_by_role("button", name="Try the sample")).to_be_visible()
    drop(ben, {"other.zip": builders.export_zip(name="Other")})
    drawn(ben)
    untick(ben, "P01")
    expect(line(ben)).to_contain_text("2 samples of 1 recording")
    assert titles(ben) == ["Other"]
    assert titles(ada) == ["Secret"]
    expect(line(ada)).to_have_text(ALL_COUNTED)
    expect(visit().get_by_role("button", name="Try the sample")).to_be_visible()


NAMES = [
    "<img src=x onerror=alert(1)>",
    "*bold*",
    "__init__",
    "`code`",
    "[link](http://example.com)",
    "<b>b</b> &amp;",
    "$a$ and $b$",
    "~~gone~~",
    ":red[x]",
    ":smile: 12:100:12",
    ":material/home: x",
    "# head",
    "1. one",
    "12) twelve",
    "- dash",
    "> said",
    "---",
    "![i](x)",
    "a\\*b",
    "2025-08-09_06:55:05",
    "Ada (left eye), 2nd try",
    "www.lab.example",
    "http://lab.example/a?b=c",
    "ada@lab.example",
    "mailto:ada@lab.example",
    ":streamlit:",
    "x:material_home:y",
    "a -> b <- c",
    "a -- b <-> c",
    "x <= y >= z",
]


def test_names_are_shown_as_they_are(page):
    people = [(f"rec-{i}", f"sec-{i}", f'"{name}"', "W") for i, name in enumerate(NAMES)]
    rows = [Row(20.0, 15.0, True, f"rec-{i}", f"sec-{i}") for i in range(len(NAMES))]
    drop(page, {"a.zip": builders.export_zip(rows=rows, people=people, fixations=None)})
    drawn(page)
    names = page.locator(".st-key-recordings .recording .name")
    expect(names).to_have_text(NAMES)
    expect(names.locator("*")).to_have_count(0)


def test_a_name_with_line_ends_stays_in_its_line(page):
    people = [("rec-a", "sec-a", '"first\n# BIG\n- item"', "W"), ("rec-b", "sec-b", "P02", "W")]
    drop(page, {"a.zip": builders.export_zip(people=people)})
    drawn(page)
    first = page.locator(".st-key-recordings .recording .name").first
    assert first.inner_text() == "first # BIG - item"
    drop_into = builders.write_zip(io.BytesIO(), {"a\n# BIG\n/x.txt": b"hello"}).getvalue()
    add_files(page, {"odd.zip": drop_into})
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("odd.zip: no table of gaze found")
    expect(alert.locator("h1, li, a")).to_have_count(0)
