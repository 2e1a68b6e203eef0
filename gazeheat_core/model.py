"""What an export holds, in the field's own words.

The frame, stated once
----------------------
The origin is the top left corner of the reference image, x runs right, y runs
down. Positions are continuous: a picture of *width* × *height* pixels spans
``[0, width] × [0, height]``, and a sample on its very last edge still belongs
to the last bin.

Positions are kept in the units the export uses, without a conversion that could
move a sample across a bin border: pixels of the reference image (``"px"``) or
fractions of the surface (``"normalized"``). `Export.extent` gives the right and
bottom border in these units.

Sizes are ``(width, height)``; arrays are ``(row, column)``; times are ``int64``
nanoseconds and never pass through a float.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from gazeheat_core.errors import PictureMissingError

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
Size: TypeAlias = tuple[int, int]

# The numbers that stand at a picture's left, top, right and bottom border.
Frame: TypeAlias = tuple[float, float, float, float]
Unit: TypeAlias = Literal["px", "normalized"]

SHORT_ID_LENGTH = 8
# A gaze sample with its position.
SAMPLE_BYTES = 25
LONGER_SIDE_BINS = 300


@dataclass(frozen=True, eq=False, slots=True)
class GazeSamples:
    """Gaze samples in the order of the file: 25 bytes each.

    Attributes
    ----------
    timestamp_ns : int64 array, shape (n,)
        Time of each sample, in nanoseconds since the Unix epoch.
    x, y : float64 array, shape (n,)
        Position in the units of the export. NaN in both where the gaze was
        not detected on the reference image.
    in_fixation : uint8 array, shape (n,), or None
        1 where the sample belongs to a fixation, 0 elsewhere. None stands for no fixations.
    """

    timestamp_ns: IntArray
    x: FloatArray
    y: FloatArray
    in_fixation: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.timestamp_ns)


@dataclass(frozen=True, eq=False, slots=True)
class Fixations:
    """Fixations in the order of the file.

    Attributes
    ----------
    fixation_id : int64 array, shape (n,)
    start_ns, end_ns : int64 array, shape (n,)
        First and last moment, in nanoseconds since the Unix epoch.
    duration_ms : float64 array, shape (n,)
    x, y : float64 array, shape (n,)
        Position in the units of the export; NaN in both where the fixation
        was not detected on the reference image.
    unreadable : int
        Rows that could not be read. They are counted here and have no entry.
    gaze_x, gaze_y : float64 array, shape (n,), or None
        Mean position of the samples that carry the fixation's id; NaN without any. None
        where that is not known.
    """

    fixation_id: IntArray
    start_ns: IntArray
    end_ns: IntArray
    duration_ms: FloatArray
    x: FloatArray
    y: FloatArray
    unreadable: int = 0
    gaze_x: FloatArray | None = None
    gaze_y: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.fixation_id)


@dataclass(frozen=True, eq=False, slots=True)
class Section:
    """The part of a recording between two events.

    Attributes
    ----------
    id : str
    gaze : GazeSamples
    fixations : Fixations or None
        None where the export has no fixations.
    unreadable : int
        Rows of gaze that could not be read. They are counted here and are not
        part of `gaze`.
    start_event, end_event : str
        Names of the events, empty where the export has no ``sections.csv``.
    start_ns : int or None
        Where the section begins as ``sections.csv`` has it.
    """

    id: str
    gaze: GazeSamples
    fixations: Fixations | None = None
    unreadable: int = 0
    start_event: str = ""
    end_event: str = ""
    start_ns: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """One recording of one wearer, with its sections in the order of the file.

    `name` and `wearer` are empty where the export has no ``sections.csv``.
    """

    id: str
    name: str
    wearer: str
    sections: tuple[Section, ...]

    @property
    def rows(self) -> int:
        """Rows of gaze in the file, the unreadable ones among them."""
        return sum(len(section.gaze) + section.unreadable for section in self.sections)

    @property
    def duration_ns(self) -> int:
        """Time from first to last gaze sample, added up over the sections."""
        times = [s.gaze.timestamp_ns for s in self.sections if len(s.gaze)]
        # As Python's integers: the difference of two int64 may be no int64.
        return sum(int(t.max()) - int(t.min()) for t in times)


@dataclass(frozen=True, slots=True)
class ReferenceImage:
    """The picture under the heatmap, kept as the bytes of its file.

    Attributes
    ----------
    size : (int, int)
        Width and height in pixels, as the picture is used.
    data : bytes
        A JPEG or PNG file. It is decoded only when its pixels are needed.
    exif_transposed : bool
        True when the picture is turned as its EXIF tag says, False when it is
        used as stored.
    notices : tuple of str
        Sentences on how the picture was understood, for the user.
    """

    size: Size
    data: bytes
    exif_transposed: bool = False
    notices: tuple[str, ...] = ()


class HasRows(Protocol):
    """Anything that stands for one recording and knows its number of rows."""

    @property
    def rows(self) -> int:
        """Rows of gaze in the file, the unreadable ones among them."""
        ...


AnyRecording = TypeVar("AnyRecording", bound=HasRows)


@dataclass(frozen=True, eq=False, slots=True)
class Enrichment(Generic[AnyRecording]):
    """One enrichment of a study, its recordings whole or reduced to what is needed of them.

    Attributes
    ----------
    name : str
        Name of the enrichment.
    kind : str
        What made it, in words: "Reference Image Mapper".
    recordings : tuple
    image : ReferenceImage or None
        None where the export came without a picture, or with one that cannot be used.
    image_problem : str
        What is wrong with the picture, in the second case.
    unassigned_rows : int
        Rows of gaze so damaged that their recording is unknown.
    unassigned_fixations : int
        Rows of fixations whose recording is unknown, or whose section has no gaze.
    notices : tuple of str
        Sentences on how the files were understood, for the user.
    frame : (float, float, float, float) or None
        The numbers that stand at the picture's left, top, right and bottom border; None for
        pixels of the picture itself.
    is_of_pupil_cloud : bool
        Whether Pupil Cloud made it, so that the picture can be had there.
    columns : dict or None
        What a person said of the columns of its table, ready for JSON; None for a table that
        is known.
    """

    name: str
    kind: str
    recordings: tuple[AnyRecording, ...]
    image: ReferenceImage | None = None
    image_problem: str = ""
    unassigned_rows: int = 0
    unassigned_fixations: int = 0
    notices: tuple[str, ...] = ()
    frame: Frame | None = None
    is_of_pupil_cloud: bool = True
    columns: dict[str, Any] | None = None

    @property
    def unit(self) -> Unit:
        """Unit of all positions in the export."""
        return frame_unit(self.frame)

    @property
    def rows(self) -> int:
        """Rows of gaze in the file, the unreadable ones among them."""
        return sum(recording.rows for recording in self.recordings) + self.unassigned_rows

    @property
    def title(self) -> str:
        """Name and kind, as the user reads them."""
        return f"{self.name} · {self.kind}"

    def size(self) -> Size:
        """Width and height of the reference image, in pixels.

        Raises
        ------
        PictureMissingError
            When the export has no picture.
        """
        if self.image is None:
            problem = self.image_problem or f"{self.title}: the export holds no reference image."
            seen = ""
            if isinstance(self, Export):
                if self.grid_size is not None:
                    raise PictureMissingError(problem)
                if self.is_on_screen:
                    raise PictureMissingError(
                        f"{self.image_problem or f'{self.title}: no picture came with it.'} Give "
                        "the picture that was looked at, in the size that it was shown in, or the "
                        "size of the screen or picture in pixels."
                    )
                if self.surface_ratio is not None:
                    ratio = ratio_text(self.surface_ratio)
                    seen = f" The scene camera saw the surface at about {ratio}."
            raise PictureMissingError(
                f"{problem} Give the picture that the gaze was mapped to"
                + (
                    f", or the surface's width : height ratio.{seen}"
                    if self.unit == "normalized"
                    else " (in Pupil Cloud: the enrichment's reference image, in its full size)."
                    if self.is_of_pupil_cloud
                    else "."
                )
            )
        return self.image.size


@dataclass(frozen=True, eq=False, slots=True)
class Export(Enrichment[Recording]):
    """One enrichment, read: its recordings hold all their samples.

    Attributes
    ----------
    grid_size : (int, int) or None
        Size of the picture that the bins have the shape of, where `image` is one that was
        given in its place, or is still missing since that picture is too large to be read.
    surface_ratio : float or None
        How many times as wide as high the surface was seen, of one without a picture; None
        where that is not known.
    has_times : bool
        False where the tables have no times that can be read: all moments are then 0.
    """

    grid_size: Size | None = None
    surface_ratio: float | None = None
    has_times: bool = True

    @property
    def is_on_screen(self) -> bool:
        """Whether positions are pixels of a screen or a picture, not mapped by Pupil Cloud.

        A plain ground of its size can then stand for it.
        """
        return self.frame is None and not self.is_of_pupil_cloud

    @property
    def size_bytes(self) -> int:
        """About the memory that it takes."""
        samples = sum(len(section.gaze) for one in self.recordings for section in one.sections)
        return SAMPLE_BYTES * samples + (0 if self.image is None else len(self.image.data))


def frame_unit(frame: Frame | None) -> Unit:
    """Return the unit of positions between the borders of a frame."""
    return "px" if frame is None else "normalized"


def ratio_text(ratio: float) -> str:
    """Write how many times as wide as high something is.

    Examples
    --------
    >>> ratio_text(1.52), ratio_text(0.25), ratio_text(12.0)
    ('1.5 : 1', '1 : 4', '12 : 1')
    """
    return f"{ratio:.2g} : 1" if ratio >= 1 else f"1 : {1 / ratio:.2g}"


def positions_of(recordings: Sequence[Recording]) -> list[GazeSamples] | list[Fixations]:
    """Return what tells where people looked, by section: gaze, or fixations where there is none.

    Sections without fixations are left out of the latter.
    """
    sections = [section for recording in recordings for section in recording.sections]
    fixations = [section.fixations for section in sections if section.fixations is not None]
    if fixations and not any(len(section.gaze) or section.unreadable for section in sections):
        return fixations
    return [section.gaze for section in sections]


def name_of(positions: Sequence[GazeSamples] | Sequence[Fixations]) -> str:
    """Name what `positions_of` has returned: "samples" or "fixations"."""
    return "fixations" if any(isinstance(one, Fixations) for one in positions) else "samples"


def count_inside(recordings: tuple[Recording, ...], extent: tuple[float, float]) -> int:
    """Count the positions that lie on a picture, its borders included, as `positions_of`.

    Parameters
    ----------
    recordings : tuple of Recording
    extent : (float, float)
        Right and bottom border, in the units of the positions: for pixels, the picture's size.
    """
    return sum(
        int(np.count_nonzero((g.x >= 0) & (g.x <= extent[0]) & (g.y >= 0) & (g.y <= extent[1])))
        for g in positions_of(recordings)
    )


def grid_shape(size: Size) -> tuple[int, int]:
    """Rows and columns of the histogram of a picture of ``(width, height)``.

    The longer side has 300 bins, the other as many as keep the shape, at least one.

    Examples
    --------
    >>> grid_shape((1500, 958)), grid_shape((958, 1500)), grid_shape((100_000, 10))
    ((192, 300), (300, 192), (1, 300))
    """
    width, height = size
    longer = max(width, height)
    columns, rows = (max(1, round(LONGER_SIDE_BINS * side / longer)) for side in (width, height))
    return rows, columns


def corner_shape(size: Size) -> tuple[int, int]:
    """Rows and columns of the bins in the first pixel of a picture, at least one.

    Examples
    --------
    >>> corner_shape((1500, 958)), corner_shape((40, 30))
    ((1, 1), (7, 7))
    """
    rows, columns = grid_shape(size)
    width, height = size
    return max(1, rows // height), max(1, columns // width)


class Named(Protocol):
    """Anything that stands for one recording and knows what it is called."""

    @property
    def id(self) -> str:
        """Identifier in the export."""
        ...

    @property
    def name(self) -> str:
        """Name given by its makers, or empty."""
        ...

    @property
    def wearer(self) -> str:
        """Name of the wearer, or empty."""
        ...


def recording_labels(recordings: Sequence[Named]) -> tuple[str, ...]:
    """Short names that tell the recordings apart, in their order.

    The name from ``sections.csv``; without one, the first characters of the id.
    Two of the same name also get the wearer, and the id where that is not
    enough either.

    Examples
    --------
    >>> a = Recording("6f1c0d2a-77", "Morning", "Ada", ())
    >>> b = Recording("9b3e55aa-12", "Morning", "Ben", ())
    >>> c = Recording("0c44e1b7-90", "", "", ())
    >>> recording_labels((a, b, c))
    ('Morning · Ada', 'Morning · Ben', '0c44e1b7')
    """
    forms: list[tuple[str, ...]] = []
    for recording in recordings:
        short = recording.id[:SHORT_ID_LENGTH] or "no id"
        plain = recording.name or short
        worn = f"{plain} · {recording.wearer}" if recording.wearer else plain
        forms.append((plain, worn, f"{plain} · {short}", f"{plain} · {recording.id}"))
    # In how many recordings each form occurs: a name may read like another's name and wearer.
    count = Counter(form for own in forms for form in set(own))
    return tuple(next((form for form in own if count[form] == 1), own[-1]) for own in forms)
