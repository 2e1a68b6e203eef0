"""Names of files."""

import unicodedata

import pytest

from gazeheat_core.exports import LIMITS
from gazeheat_core.naming import file_name, file_stem, free_stem


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Shelf", "Shelf"),
        ("Küche · 棚", "Küche · 棚"),
        ('a<b>c:d"e/f\\g|h?i*j', "a_b_c_d_e_f_g_h_i_j"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("two\nlines\x00", "two_lines_"),
        (" . ", "export"),
        ("", "export"),
        ("x" * 300, "x" * 100),
        ("棚" * 90, "棚" * 66),  # 3 bytes each: 198 of 200
        ("a" + "棚" * 90, "a" + "棚" * 66),
        ("Ku\u0308che", "Küche"),
        ("a\u202eb\u0085c\u2028d\u200be\ufefff\x9bg", "abcdefg"),
        ("half \udc80 of one", "half _ of one"),
        ("CON", "_CON"),
        ("nul.shelf", "_nul.shelf"),
        ("\u200bcom1 .x", "_com1 .x"),
        ("LPT¹", "_LPT¹"),
        ("Console", "Console"),
        ("COM10", "COM10"),
        (f"{'x' * 99}. y", "x" * 99),
    ],
)
def test_stems_can_be_written_on_any_system(name, stem):
    assert file_stem(name) == stem
    assert file_stem(stem) == stem
    assert len(stem.encode()) <= 200
    assert unicodedata.is_normalized("NFC", stem)


def test_stems_that_are_taken_get_a_number_in_either_case():
    taken = {"wall"}
    assert [free_stem(name, taken) for name in ("Shelf", "shelf", "Wall", "shelf")] == [
        "Shelf",
        "shelf_2",
        "Wall_2",
        "shelf_3",
    ]
    assert taken == {"wall", "shelf", "shelf_2", "wall_2", "shelf_3"}


def test_a_file_name_says_what_is_in_it():
    assert file_name("Shelf", "heatmap", 4, 4, 5.0) == "Shelf_heatmap_4-of-4_scale-5.png"
    assert file_name("Shelf", "overlay", 3, 4, 2.5) == "Shelf_overlay_3-of-4_scale-2.5.png"
    assert file_name("Shelf", "opaque", 1, 1, -0.0) == "Shelf_opaque_1-of-1_scale-0.png"


def test_the_longest_name_of_a_file_is_one_that_any_system_takes():
    taken = set()
    stems = [free_stem("棚" * 90, taken) for _ in range(LIMITS.exports)]
    most = LIMITS.recordings
    name = file_name(stems[-1], "heatmap", most - 1, most, 1.23456789e-5)
    assert name == f"{'棚' * 66}_100_heatmap_4999-of-5000_scale-1.23457e-05.png"
    assert len(name.encode()) <= 255
