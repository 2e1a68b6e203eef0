"""What a file says of itself: there and back, from hostile files, and held against the data."""

import hashlib
import io
import json
import re
import string
import struct
import zlib
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

import gazeheat_core as gh
from gazeheat_core.account import UsedRecording, version
from gazeheat_core.cache import StudyCache
from gazeheat_core.exports import Limits
from gazeheat_core.parallel import open_executor
from gazeheat_core.settings import LOOK_KIND, MEASURE, UNIT, WEIGHT
from tests.builders import (
    FIXATIONS,
    ROWS,
    Row,
    export_files,
    export_folder,
    export_zip,
    gaze_csv,
    picture_bytes,
    write_zip,
)
from tests.test_parallel import binned_in_parts

GIVE = "Give a picture, SVG or PDF that Gazeheat made, or its settings.json."


def study_of(given):
    (export,) = gh.read_exports(given)
    return gh.track_export(export)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return study_of(export_zip(tmp_path_factory.mktemp("account") / "shelf.zip"))


@pytest.fixture(scope="module")
def account(shelf):
    return gh.account_of(shelf, [1, 0], gh.Look(2, 0.5, "viridis"))


# ---------------------------------------------------------------- there and back

TEXTS = st.text() | st.text(string.printable + "()\\<>&\"'\u202e\udc80")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**14), 10**14) | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NUMBERS = st.integers(0, 10**12)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
RECORDINGS = st.builds(
    UsedRecording,
    TEXTS,
    TEXTS,
    st.builds(gh.Counts, *[NUMBERS] * 9),
    DIGESTS,
    st.just("") | DIGESTS,
)
SELECTIONS = st.builds(
    gh.Selection,
    st.sampled_from([*MEASURE.titles]),
    st.sampled_from([*WEIGHT.titles]),
    st.none() | st.tuples(st.floats(0, 1e3), st.floats(1e3, 1e9)),
)
ACCOUNTS = st.builds(
    gh.Account,
    version=TEXTS,
    look=st.builds(
        gh.Look,
        st.floats(0, 20),
        st.floats(0, 1),
        st.sampled_from(gh.COLORMAPS),
        st.sampled_from([*LOOK_KIND.titles]),
        st.sampled_from([*UNIT.titles]),
        st.floats(0, 1e9),
        st.floats(0, 95),
        st.sets(st.floats(1, 99), min_size=1, max_size=12).map(sorted).map(tuple),
    ),
    selection=SELECTIONS,
    sections=st.none() | st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple),
    recordings=st.lists(RECORDINGS, max_size=3, unique_by=lambda one: one.id).map(tuple),
    name=TEXTS,
    kind=TEXTS,
    image_size=st.tuples(st.integers(1, 65_535), st.integers(1, 65_535)),
    image_sha256=DIGESTS,
    figure=st.none() | st.dictionaries(TEXTS, JSON, max_size=3),
)


def png(text, *, keyword="gazeheat", packed=False):
    """A PNG as another program writes it, with a text."""
    info, out = PngImagePlugin.PngInfo(), io.BytesIO()
    info.add_text("Title", "gazeheat")
    info.add_itxt(keyword, text, lang="en", tkey="Gaze", zip=packed)
    Image.new("RGB", (3, 2)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def svg(text):
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, escaped)
    return f"""<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg"><metadata id="other">{{}}</metadata>
<metadata
   id="gazeheat">
{text}
</metadata><text>Shelf</text></svg>""".encode()


def pdf(text):
    for character in "\\()":
        text = text.replace(character, f"\\{character}")
    # As some programs write a blank, and a line that is too long.
    text = text.replace(" ", "\\040", 1).replace(" ", " \\\n", 1)
    return b"%PDF-1.7\n(/Keywords) /Keywords (older) /Keywords\n(" + text.encode() + b")\n%%EOF"


def report(text):
    data = {"Shelf/deeper/settings.json": "{}", "Shelf/settings.json": text, "a.png": b"x"}
    return write_zip(io.BytesIO(), data).getvalue()


@given(ACCOUNTS)
def test_an_account_survives_every_kind_of_file(account):
    text = account.as_json()
    assert text.isascii()
    assert text.isprintable()
    assert gh.Account.from_json(text) == account
    for carry in (png, svg, pdf, report, str.encode):
        assert gh.find_account(carry(text), "a file") == account
    assert gh.Account.from_json(text).as_json() == text


def test_our_pictures_carry_the_account(shelf, account):
    heatmap = gh.make_heatmap(gh.select(shelf), shelf.image.size, 2)
    texts = gh.png_texts(account)
    assert texts["Software"] == f"Gazeheat {version()}"
    for data in gh.render_files(heatmap, shelf.image, account.look, texts=texts).values():
        assert gh.find_account(data, "a.png") == account
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.text == texts


def test_the_text_is_what_another_program_reads(shelf, account):
    assert json.loads(account.as_json()) == {
        "software": {"name": "Gazeheat", "version": version()},
        "look": {
            **{"scale": 2.0, "opacity": 0.5, "colormap": "viridis", "look": "colours"},
            **{"unit": "percent", "top": 0.0, "bottom": 0.0, "levels": [20.0, 40.0, 60.0, 80.0]},
        },
        "selection": {"measure": "gaze", "weight": "pooled", "window_s": None, "sections": None},
        "regions": [],
        "figure": None,
        "export": {
            "name": "Shelf",
            "kind": "Reference Image Mapper",
            "image": {
                "width": 40,
                "height": 30,
                "sha256": hashlib.sha256(picture_bytes((40, 30))).hexdigest(),
            },
        },
        "recordings": [
            {
                "id": id,
                "name": name,
                "rows": sum(counts),
                "used": counts[0],
                "outside": counts[1],
                "undetected": counts[2],
                "unreadable": counts[3],
                "listed_twice": 0,
                **dict.fromkeys(["no_fixation", "other_time", "no_time", "other_section"], 0),
                "fixations_sha256": "",
                "gaze_sha256": shelf.recordings[position].digest(),
            }
            for position, (id, name, counts) in enumerate(
                [("rec-a", "P01", (3, 1, 1, 0)), ("rec-b", "P02", (2, 0, 0, 2))]
            )
        ],
    }


def test_equal_settings_make_equal_texts(shelf):
    one, other = (
        gh.account_of(shelf, chosen, look).as_json()
        for chosen, look in (([0, 1], gh.Look(5, 1)), ({1, 0}, gh.Look(5.0, 1.0)))
    )
    assert one == other
    assert '"scale": 0.0' in gh.account_of(shelf, [0], gh.Look(-0.0)).as_json()


def test_a_figure_s_settings_pass_through_untouched(shelf, account):
    figure = {"width_mm": 85.5, "heading": "Größe (1)", "parts": ["bar", {"ticks": 5}], "dpi": None}
    told = gh.account_of(shelf, [0, 1], account.look, figure)
    assert gh.Account.from_json(told.as_json()).figure == figure


def test_what_a_later_version_adds_is_passed_over(account):
    values = json.loads(account.as_json())
    places = [values, *values["recordings"]]
    places += [values[key] for key in ("software", "look", "export")] + [values["export"]["image"]]
    for place in places:
        place["weather"] = {"rain": [1, 2]}
    assert gh.Account.from_json(json.dumps(values)) == account


# ---------------------------------------------------------------- hostile files


def assert_refused(data, *words, name="a.png", limits=Limits()):  # noqa: B008  frozen
    with pytest.raises(gh.SettingError) as error:
        gh.find_account(data, name, limits)
    text = str(error.value)
    assert text.startswith(f"{name}: ")
    assert text.count(name) == 1
    assert text.endswith(".")
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        picture_bytes((4, 3), "PNG"),
        picture_bytes((4, 3), "JPEG"),
        png("{}", keyword="gazeheat2"),
        b"<svg></svg>",
        b'<svg><metadata id="gazeheat">{}',
        b'<svg><metadata id="gazeheat" x="<metadata">{}</metadata></svg>',
        b"%PDF-1.4",
        b"%PDF-1.4 /Keywords (gaze",
        b"%PDF-1.4 /Keywords <6761>",
        b"%PDF-1.4 " + b"/Keywords" * 5000,
        export_zip(),
    ],
)
def test_a_file_without_settings_is_said(data):
    with pytest.raises(gh.SettingError) as error:
        gh.find_account(data, "a\nb.png")
    assert str(error.value) == f"a\ufffdb.png: no settings of Gazeheat are in it. {GIVE}"


def test_a_picture_that_is_cut_off_is_said(account):
    data = png(account.as_json())
    end = data.index(b"IDAT")
    for cut in (9, 60, data.index(b"gazeheat\0") + 100, end - 10):
        assert_refused(data[:cut], "the file is cut off. Copy it again")
    # What was read is whole: a picture whose pixels are lost still tells its settings.
    assert gh.find_account(data[: end + 2], "a.png") == account


def test_a_picture_whose_text_is_packed_or_damaged_is_said(account):
    text = account.as_json()
    assert_refused(png(text, packed=True), "are packed", "Give the file as Gazeheat made it")
    assert_refused(png("x" * 10**6, packed=True), "are packed")
    assert_refused(png(text).replace(b"viridis", b"inferno"), "are damaged", GIVE)
    for body in (b"gazeheat\0", b"gazeheat\0\0", b"gazeheat\0\0\0\0\0\xff"):
        chunk = b"iTXt" + body
        data = struct.pack(">L", len(body)) + chunk + struct.pack(">L", zlib.crc32(chunk))
        assert_refused(b"\x89PNG\r\n\x1a\n" + data, GIVE)


def test_entities_of_xml_are_never_followed(account):
    text = account.as_json()
    for entity in ("&lol;", "&#34;", "&#x22;", "&amp;quot;", "<![CDATA[x]]>"):
        data = svg(text).replace(b"&quot;", entity.encode(), 1)
        start = b'<!DOCTYPE svg [<!ENTITY lol SYSTEM "file:///etc/passwd">]>'
        assert_refused(data.replace(b"<svg", start + b"<svg"), "they are no JSON")


def test_a_pdf_s_escapes_are_undone(account):
    text = account.as_json().encode().replace(b"Shelf", rb"\050\51\8\\n\ \(\\\\\)")
    for end in (b")", b")(", b") /Title (\\("):
        found = gh.find_account(b"%PDF-1.4 /Keywords (" + text + end, "a.pdf")
        assert found == replace(account, name="()8\n (\\)")
    assert_refused(b"%PDF-1.4 /Keywords (" + text.replace(rb"\51", rb"\n") + b")", "no JSON")


def test_the_settings_in_a_report_are_found_in_bounds(account):
    text = account.as_json()
    limits = Limits(account_bytes=len(text), entries=3)
    assert gh.find_account(report(text), "a.zip", limits) == account
    few = replace(limits, account_bytes=len(text) - 1)
    assert_refused(report(text), "the settings in it have more than", name="a.zip", limits=few)
    assert_refused(report(text), "more than 2 files", name="a.zip", limits=Limits(entries=2))
    assert_refused(report(text)[:-40], name="a.zip")


@pytest.mark.parametrize("carry", [png, svg, str.encode])
def test_too_much_is_not_read(account, carry):
    text = account.as_json()
    carried = carry(text)
    most = len(text) + 6 * text.count('"') + 2
    assert gh.find_account(carried, "a", Limits(account_file_bytes=len(carried))) == account
    assert gh.find_account(carried, "a", Limits(account_bytes=most)) == account
    assert_refused(carried, "it has more than", limits=Limits(account_file_bytes=len(carried) - 1))
    few = Limits(account_bytes=len(text) - 1)
    assert_refused(carried, "the settings in it have more than", limits=few)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[]", "no object of JSON"),
        ('{"a": NaN}', "no JSON"),
        ('{"a": 1e999}', "no JSON"),
        ('{"a": ' + "9" * 5000 + "}", "no JSON"),
        ('{"a":' * 100_000, "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"a": 1, "a": 2}', "'a' stands there twice"),
        ("{}", "'software' is missing"),
    ],
)
def test_what_is_no_account_is_said(text, words):
    with pytest.raises(gh.SettingError, match=words):
        gh.Account.from_json(text)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("software", [], "'software' is no object"),
        ("software.name", "Other", "of other software"),
        ("software.version", 1, "'version' is no text"),
        ("look.scale", 21, "Scale is 21; choose a value from 0 to 20 percent"),
        ("look.scale", True, "Scale is no number"),
        ("look.opacity", None, "Opacity is no number"),
        ("look.colormap", "rainbow", "There are no colours 'rainbow'"),
        ("look.colormap", {}, "a name is needed"),
        ("figure", "wide", "'figure' is no object"),
        ("figure", {"a": [[[[[[[[[]]]]]]]]]}, "'figure' is nested too deep"),
        ("export.name", None, "'name' is no text"),
        ("export.image", "x", "'image' is no object"),
        ("export.image.width", 40.0, "'width' is no whole number"),
        ("export.image.height", 0, "a picture of 40 × 0 px"),
        ("export.image.width", 65_536, "a picture of 65,536 × 30 px"),
        ("export.image.sha256", "AB" * 32, "'sha256' is no SHA-256 digest"),
        ("recordings", {}, "'recordings' is no list"),
        ("recordings", [1], "holds what is no recording"),
        ("recordings.0.id", 1, "'id' is no text"),
        ("recordings.0.id", "rec-b", "'rec-b' stands there twice"),
        ("recordings.0.used", True, "'used' is no whole number"),
        ("recordings.0.used", 4, "do not add up"),
        ("recordings.0.rows", 6, "do not add up"),
        ("recordings.0.gaze_sha256", "", "'gaze_sha256' is no SHA-256 digest"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(account, place, value, words):
    values = json.loads(account.as_json())
    *way, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    inner = values
    for step in way:
        inner = inner[step]
    inner[last] = value
    with pytest.raises(gh.SettingError, match=re.escape(words)):
        gh.Account.from_json(json.dumps(values))
    assert_refused(json.dumps(values).encode(), words, name="mine.json")


def test_a_value_that_is_missing_and_counts_below_zero_are_named(account):
    values = json.loads(account.as_json())
    first = values["recordings"][0]
    first["used"], first["outside"] = -1, first["used"] + first["outside"] + 1
    with pytest.raises(gh.SettingError, match="do not add up"):
        gh.Account.from_json(json.dumps(values))
    del values["recordings"]
    with pytest.raises(gh.SettingError, match="'recordings' is missing"):
        gh.Account.from_json(json.dumps(values))


def test_there_may_be_as_many_recordings_as_in_an_export(account):
    # Of two recordings with names in Chinese, in a PDF, which has an escape for each escape.
    named = replace(
        account, recordings=tuple(replace(r, name="购物者" * 7) for r in account.recordings)
    )
    assert len(pdf(named.as_json())) / 2 * Limits().recordings < Limits().account_bytes
    with pytest.raises(gh.SettingError, match="of 2 recordings"):
        gh.Account.from_json(account.as_json(), Limits(recordings=1))


# ---------------------------------------------------------------- digests

# Both take turns, Ada has two sections that overlap, and some samples are listed twice.
MIXED = [
    Row(float(i % 40), float(i % 30), i % 7 > 0, f"rec-{'ab'[i % 2]}", f"sec-{'abc'[i % 3]}")
    for i in range(60)
] + [row._replace(timestamp_ns=1_741_942_800_500_000_000) for row in (*ROWS, *ROWS)]


def digests(study):
    return [one.digest() for one in study.recordings]


def test_digests_do_not_depend_on_who_reads_what(tmp_path):
    folder = export_folder(tmp_path / "Shelf", MIXED)
    whole = digests(study_of(folder))
    assert len(set(whole)) == 2
    assert digests(study_of(export_zip(tmp_path / "other name.zip", MIXED))) == whole
    loose = [gh.Upload(n, io.BytesIO(d)) for n, d in export_files(MIXED).items()]
    assert digests(study_of(loose)) == whole
    assert digests(binned_in_parts(folder, 100)) == whole
    with open_executor(2) as executor:
        assert digests(binned_in_parts(folder, 1000, executor)) == whole
    for _ in range(2):  # read, then from the cache
        kept = binned_in_parts(folder, cache=StudyCache(tmp_path / "kept"))
        assert digests(kept) == whole


def test_digests_do_not_depend_on_how_columns_are_called_and_stand(tmp_path):
    files = export_files(MIXED)
    header, *lines = gaze_csv(MIXED).splitlines()
    names = header.replace("timestamp [ns]", "Timestamp.ns").split(",")
    rows = [names, *(line.split(",") for line in lines)]
    files["gaze.csv"] = "\n".join(",".join(reversed(row)) for row in rows).encode()
    changed = study_of([gh.Upload(n, io.BytesIO(d)) for n, d in files.items()])
    assert digests(changed) == digests(study_of(export_folder(tmp_path / "Shelf", MIXED)))


@pytest.mark.parametrize(
    "change",
    [
        {"x": 10.2},  # the next bin
        {"timestamp_ns": 1_741_942_800_123_556_789},  # a tenth of a millisecond later
        {"detected": False},
        {"detected": "maybe"},
        {"section": "sec-z"},
    ],
)
def test_each_change_of_a_sample_changes_the_digest_of_its_recording(tmp_path, change):
    first = Row(10.0, 5.0)._replace(timestamp_ns=1_741_942_800_123_456_789)
    rows = [first, *ROWS[1:]]
    ada, ben = digests(study_of(export_folder(tmp_path / "a", rows)))
    rows[0] = first._replace(**change)
    ada_now, ben_now = digests(study_of(export_folder(tmp_path / "b", rows)))
    assert (ada_now != ada, ben_now == ben) == (True, True)


def test_a_digest_can_be_computed_by_hand(tmp_path):
    rows = [Row(0.0, 0.0), Row(39.9, 0.0), Row("gone", 0.0), Row(0.0, 0.0)]
    rows[3] = rows[3]._replace(timestamp_ns=1_741_942_800_123_456_789)
    (ada, _) = study_of(export_zip(tmp_path / "a.zip", rows, fixations=FIXATIONS)).recordings

    def long(data):
        return struct.pack("<Q", len(data)) + data

    def column(kind, *values):
        return struct.pack("<Q", len(values)) + struct.pack(f"<{len(values)}{kind}", *values)

    zero = 1_741_942_800_123_456_789 // 100_000
    # One row could not be read, one is listed twice; two samples, 5 ms apart, in no fixation.
    by_hand = struct.pack("<Q", 1) + long(b"sec-a") + long(f"1 1 {zero}".encode())
    by_hand += column("L", 0, 50) + column("L", 0, 299) + column("B", 0, 0)
    assert ada.digest() == hashlib.sha256(by_hand).hexdigest()


# ---------------------------------------------------------------- differences


def test_without_a_difference_nothing_is_said(tmp_path, account):
    again = study_of(export_folder(tmp_path / "Another name"))
    assert gh.differences(account, again) == []
    assert asdict(gh.account_of(again, [0, 1], account.look)) == asdict(
        replace(account, name="Another name")
    )


def test_other_gaze_is_said_with_both_numbers(tmp_path, account):
    moved = [Row(20.0, 20.0), *ROWS[1:5], *ROWS[6:]]  # Ada looked elsewhere, Ben once less
    assert gh.differences(account, study_of(export_zip(tmp_path / "a.zip", moved))) == [
        "P01: its gaze is not the one that the settings were saved with (3 samples both times).",
        "P02: its gaze is not the one that the settings were saved with (2 samples then, 1 now).",
    ]


def test_only_recordings_that_were_used_are_held_against_their_gaze(tmp_path, shelf):
    account = gh.account_of(shelf, [1], gh.Look())
    other = study_of(export_zip(tmp_path / "a.zip", [Row(20.0, 20.0), *ROWS[1:]]))
    assert gh.differences(account, other) == []


def test_recordings_that_are_gone_or_renamed_are_said(tmp_path, account):
    people = [("rec-a", "sec-a", "Ada's", "Ada"), ("rec-c", "sec-c", "P02", "Ben")]
    other = study_of(export_zip(tmp_path / "a.zip", ROWS[:5], people=people))
    assert gh.differences(account, other) == [
        "Ada's: in the settings, this recording is called 'P01'.",
        "P02: the settings use this recording, which is not there.",
    ]


def test_another_picture_kind_or_version_is_said(tmp_path, account):
    png_file = picture_bytes((40, 30), "PNG")
    other = study_of(export_zip(tmp_path / "a.zip", picture_data=png_file))
    assert gh.differences(account, other) == [
        "Its picture is not the one that the settings were saved with; both are 40 × 30 px."
    ]
    larger = study_of(export_zip(tmp_path / "b.zip", size=(80, 60)))
    # The gaze lies in other bins of the larger picture, and is still the same.
    assert gh.differences(account, larger) == [
        "Its picture is 80 × 60 px; the settings were saved with one of 40 × 30 px."
    ]
    elsewhere = replace(account, version="9.9", kind="Marker Mapper")
    assert gh.differences(elsewhere, study_of(export_zip(tmp_path / "c.zip"))) == [
        f"The settings were saved with Gazeheat 9.9. This is Gazeheat {version()}, which may draw "
        "in another way.",
        "It is of a Reference Image Mapper; the settings are of a Marker Mapper.",
    ]
