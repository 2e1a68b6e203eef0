"""Every table that is known: one description each.

The only place that knows a column's name. `columns` has the language that they are written in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gazeheat_core.errors import ColumnsError, listed
from gazeheat_core.exports import columns
from gazeheat_core.exports.columns import Format, Header, SectionList, plain_name
from gazeheat_core.exports.tables import Table
from gazeheat_core.model import Frame

# --- Pupil Cloud ---------------------------------------------------------------------

HOW_TO_MAP = (
    "In Pupil Cloud, add a Reference Image Mapper or a Marker Mapper enrichment to the "
    "project, or an Auto Image Mapper, let it finish, and download that."
)
_SURFACE: Frame = (0.0, 0.0, 1.0, 1.0)

# The Auto Image Mapper has the columns of the Reference Image Mapper.
REFERENCE_IMAGE = Format(
    "Reference Image Mapper",
    "gaze",
    x="gaze position in reference image x [px]",
    y="gaze position in reference image y [px]",
    time="timestamp [ns]",
    fixation="fixation id?",
    recording=("recording id",),
    section="section id?",
    detected="gaze detected in reference image",
)
REFERENCE_IMAGE_FIXATIONS = Format(
    "Reference Image Mapper",
    "fixations",
    x="fixation x [px]",
    y="fixation y [px]",
    time="start timestamp [ns]",
    end="end timestamp [ns]",
    duration="duration [ms]",
    fixation="fixation id",
    recording=("recording id",),
    section="section id?",
    detected="fixation detected in reference image",
)
MARKERS = replace(
    REFERENCE_IMAGE,
    title="Marker Mapper",
    x="gaze position on surface x [normalized]",
    y="gaze position on surface y [normalized]",
    frame=_SURFACE,
    detected="gaze detected on surface",
)
MARKERS_FIXATIONS = replace(
    REFERENCE_IMAGE_FIXATIONS,
    title="Marker Mapper",
    x="fixation x [normalized]",
    y="fixation y [normalized]",
    frame=_SURFACE,
    detected="fixation detected on surface",
)
FACE = Format(
    "Face Mapper",
    "nothing",
    x="gaze detected on face|gaze on face|fixation detected on face|fixation on face",
    y="",
    hint="this is a Face Mapper export; it says whether a face was looked at, not where on a "
    f"picture. {HOW_TO_MAP}",
)
MANUAL = replace(
    REFERENCE_IMAGE_FIXATIONS,
    title="Manual Mapper",
    fixation="fixation id?",
    end="end timestamp [ns]?",
    detected="fixation status",
)
MANUAL_WITHOUT_POSITIONS = Format(
    "Manual Mapper",
    "nothing",
    x="fixation status",
    y="",
    recording=("recording id",),
    hint="these are fixations of a Manual Mapper export that says which were mapped, not where. "
    f"Give its download with 'fixation x [px]' and 'fixation y [px]'. Or: {HOW_TO_MAP}",
)
RAW = Format(
    "raw recording",
    "nothing",
    x="gaze x [px]",
    y="gaze y [px]",
    # Many programs call their positions so.
    time="timestamp [ns]",
    hint="this is gaze in a raw recording's scene camera (column 'gaze x [px]'), not mapped to "
    f"a picture. {HOW_TO_MAP}",
)
RAW_FIXATIONS = replace(
    RAW,
    x="fixation x [px]",
    y="fixation y [px]",
    time="start timestamp [ns]",
    hint="these are fixations in a raw recording's scene camera, not mapped to a picture. "
    f"{HOW_TO_MAP}",
)
# Tables of areas of interest repeat columns of fixations.
AREAS = "aoi id|label id"
# The corners of a surface in the scene camera, x and y of each.
CORNERS = tuple(f"{corner} {axis} [px]" for corner in ("tl", "tr", "br", "bl") for axis in "xy")
SECTIONS = SectionList(
    recording="recording id",
    section="section id",
    name="recording name",
    wearer="wearer name",
    start="section start time [ns]",
    start_event="start event name",
    end_event="end event name",
)

# --- Other programs of Pupil Labs ----------------------------------------------------

_UPWARDS: Frame = (0.0, 1.0, 1.0, 0.0)
_IN_PLAYER = (
    "In Pupil Player, add the Surface Tracker plugin, let it find the surface, press 'e' to export "
    "and give the folder 'surfaces' of the export."
)
_IN_NEON_PLAYER = (
    "In Neon Player, add the Surface Tracker plugin, let it find the surface, export, and give "
    "the export's folder."
)
CORE = Format(
    "Pupil Core surface",
    "gaze",
    x="x_norm",
    y="y_norm",
    frame=_UPWARDS,
    time="gaze_timestamp [s]",
    detected="on_surf",
    at_least=("confidence?", 0.6),
    file="gaze_positions_on_surface_*.csv",
    hint=_IN_PLAYER,
)
CORE_FIXATIONS = Format(
    "Pupil Core surface",
    "fixations",
    x="norm_pos_x",
    y="norm_pos_y",
    frame=_UPWARDS,
    time="start_timestamp [s]",
    duration="duration [ms]",
    fixation="fixation_id",
    detected="on_surf",
    file="fixations_on_surface_*.csv",
    hint=_IN_PLAYER,
)
CORE_UNMAPPED = Format(
    "Pupil Core recording",
    "nothing",
    x="norm_pos_x",
    y="norm_pos_y",
    at_least=("confidence", 0.0),
    hint="this is gaze or fixations in Pupil Core's scene camera, not mapped to a surface. "
    f"{_IN_PLAYER}",
)
NEON_PLAYER = replace(
    MARKERS,
    title="Neon Player surface",
    recording=(),
    section="",
    fixation="",
    file="gaze_positions_on_surface_*.csv",
    hint=_IN_NEON_PLAYER,
)
# Up to version 6.0.7 the flag is a share of the fixation's samples, from 0 to 1.
NEON_PLAYER_FIXATIONS = replace(
    MARKERS_FIXATIONS,
    title="Neon Player surface",
    recording=(),
    section="",
    file="fixations_on_surface_*.csv",
    hint=_IN_NEON_PLAYER,
)

# --- Tobii ---------------------------------------------------------------------------

_IN_PRO_LAB = (
    "In Tobii Pro Lab, map the gaze onto a snapshot, then export the recordings as TSV with "
    "'Recording name', 'Participant name' and the columns 'Mapped gaze X' and 'Mapped gaze Y'."
)
TOBII_SNAPSHOT = Format(
    "Tobii Pro Lab, snapshot",
    "gaze",
    x="Mapped gaze X [*]",
    y="Mapped gaze Y [*]",
    time="Recording timestamp [us]?",
    recording=("Participant name?", "Recording name"),
    wearer="Participant name?",
    keep=(("Sensor?", "Eye Tracker"),),
    hint=_IN_PRO_LAB,
)
TOBII_SNAPSHOT_FIXATIONS = replace(
    TOBII_SNAPSHOT,
    holds="fixations",
    x="Mapped fixation X [*]",
    y="Mapped fixation Y [*]",
    keep=(("Mapped eye movement type [*]?", "Fixation"),),
    fixation="Mapped eye movement type index [*]?",
    duration="Gaze event duration [ms]",
)
TOBII_SCREEN = replace(
    TOBII_SNAPSHOT,
    title="Tobii Pro Lab, screen",
    # Of the media rather than of the screen around it. Both take a column without a unit.
    x="Gaze point X [MCSpx]|Gaze point X [DACSpx]|Gaze point X [px]",
    y="Gaze point Y [MCSpx]|Gaze point Y [DACSpx]|Gaze point Y [px]",
    picture="Presented Media name|Presented Stimulus name|Recording media name",
    hint="Positions are pixels of the picture that was shown: give it in that size.",
)
TOBII_SCREEN_FIXATIONS = replace(
    TOBII_SCREEN,
    holds="fixations",
    x="Fixation point X [MCSpx]|Fixation point X [DACSpx]|Fixation point X [px]",
    y="Fixation point Y [MCSpx]|Fixation point Y [DACSpx]|Fixation point Y [px]",
    keep=(("Eye movement type?", "Fixation"),),
    fixation="Eye movement type index?",
    duration="Gaze event duration [ms]",
)
TOBII_SCREEN_SHARES = replace(
    TOBII_SCREEN,
    x="Gaze point X [MCSnorm]",
    y="Gaze point Y [MCSnorm]",
    frame=(0.0, 0.0, 1.0, 1.0),
    hint="Positions are fractions of the picture that was shown: give it.",
)
TOBII_SCREEN_SHARES_FIXATIONS = replace(
    TOBII_SCREEN_FIXATIONS,
    x="Fixation point X [MCSnorm]",
    y="Fixation point Y [MCSnorm]",
    frame=(0.0, 0.0, 1.0, 1.0),
    hint=TOBII_SCREEN_SHARES.hint,
)
TOBII_SCENE = Format(
    "Tobii Pro Lab, scene camera",
    "nothing",
    x="Gaze point X",
    y="Gaze point Y",
    hint="this is gaze of Tobii Pro Lab, and no column says on which picture. Of glasses: "
    f"{_IN_PRO_LAB} Of a screen: export it with 'Presented Media name' too.",
)
TOBII_STUDIO = Format(
    "Tobii Studio",
    "gaze",
    x="GazePointX (MCSpx)",
    y="GazePointY (MCSpx)",
    time="RecordingTimestamp [ms]",
    recording=("ParticipantName?", "RecordingName"),
    wearer="ParticipantName?",
    picture="MediaName",
    hint="Positions are pixels of the picture that was shown: give it in that size.",
)
TOBII_STUDIO_FIXATIONS = replace(
    TOBII_STUDIO,
    holds="fixations",
    x="FixationPointX (MCSpx)",
    y="FixationPointY (MCSpx)",
    keep=(("GazeEventType?", "Fixation"),),
    fixation="FixationIndex?",
    duration="GazeEventDuration [ms]",
)
TOBII_STUDIO_2 = Format(
    "Tobii Studio 2",
    "gaze",
    x="MappedGazeDataPointX|GazePointX",
    y="MappedGazeDataPointY|GazePointY",
    time="Timestamp [ms]",
    picture="StimuliName?",
    lost=(-1.0, -1280.0, -1024.0),
    hint="Positions are pixels of the picture that was shown: give it in that size.",
)
TOBII_STUDIO_2_FIXATIONS = replace(
    TOBII_STUDIO_2,
    holds="fixations",
    x="MappedFixationPointX",
    y="MappedFixationPointY",
    fixation="FixationIndex",
    duration="FixationDuration [ms]",
)
TOBII_TUPLES = Format(
    "Tobii Pro SDK",
    "nothing",
    x="left_gaze_point_on_display_area|right_gaze_point_on_display_area",
    y="",
    hint="this is gaze as a program with the Tobii Pro SDK wrote it: both numbers of a position "
    "stand in one cell. Split them into two columns, and give the table again.",
)

# --- Trackers of screens -------------------------------------------------------------

_OF_SCREEN: Frame = (0.0, 0.0, 1.0, 1.0)
GAZEPOINT = Format(
    "Gazepoint",
    "gaze",
    x="BPOGX",
    y="BPOGY",
    frame=_OF_SCREEN,
    time="TIME(*) [s]|TIME [s]",
    picture="MEDIA_NAME?",
    detected="BPOGV",
    file="*_all_gaze.csv",
    hint="In Gazepoint Analysis, export 'all gaze' of each person, and give a screenshot for "
    "each media.",
)
GAZEPOINT_FIXATIONS = replace(
    GAZEPOINT,
    holds="fixations",
    x="FPOGX",
    y="FPOGY",
    time="FPOGS [s]",
    keep=(("FPOGV", "1"),),
    detected="",
    fixation="FPOGID",
    duration="FPOGD [s]",
    file="*_fixations.csv",
)
SMI = Format(
    "SMI samples",
    "gaze",
    x="B POR X [px]|R POR X [px]|L POR X [px]",
    y="B POR Y [px]|R POR Y [px]|L POR Y [px]",
    time="Time [us]",
    section="Trial?",
    picture="Stimulus?",
    keep=(("Type", "SMP"),),
    lost=(0.0,),
    hint="Positions are pixels of the screen or the picture that was shown: give it in that size.",
)
BEGAZE = Format(
    "SMI BeGaze",
    "gaze",
    x="Point of Regard Binocular X [px]|Point of Regard Right X [px]|Point of Regard Left X [px]",
    y="Point of Regard Binocular Y [px]|Point of Regard Right Y [px]|Point of Regard Left Y [px]",
    time="RecordingTime [ms]|Time [ms]",
    recording=("Participant",),
    wearer="Participant",
    section="Trial?",
    picture="Stimulus",
    lost=(0.0,),
    hint="Positions are pixels of the picture that was shown: give it in that size.",
)
EYELINK = Format(
    "EyeLink fixation report",
    "fixations",
    x="CURRENT_FIX_X",
    y="CURRENT_FIX_Y",
    time="CURRENT_FIX_START [ms]?",
    duration="CURRENT_FIX_DURATION [ms]",
    recording=("RECORDING_SESSION_LABEL",),
    wearer="RECORDING_SESSION_LABEL",
    section="TRIAL_INDEX?",
    hint="Positions are pixels of the screen: give a screenshot. All trials are in one heatmap; "
    "to have one for each, name the column that says what was shown.",
)
GORILLA = Format(
    "Gorilla (WebGazer)",
    "gaze",
    x="x_pred_normalised",
    y="y_pred_normalised",
    frame=(0.0, 1.0, 1.0, 0.0),
    time="time_elapsed [ms]?",
    recording=("participant_id?",),
    wearer="participant_id?",
    section="spreadsheet_row?",
    picture="screen_index?",
    keep=(("type", "prediction"),),
    hint="In Gorilla, collect the full coordinate data. Positions are fractions of the screen, "
    "read with y from the bottom up: give a screenshot of each screen.",
)
IMOTIONS = Format(
    "iMotions",
    "gaze",
    x="Mapped Gaze X|Gaze X|ET_GazeLeftx",
    y="Mapped Gaze Y|Gaze Y|ET_GazeLefty",
    time="Timestamp [ms]",
    recording=("Respondent Name?",),
    wearer="Respondent Name?",
    picture="SourceStimuliName|StimuliName",
    lost=(-1.0,),
    hint="Positions are pixels of the screen or the picture that was shown: give it in that size.",
)

# --- Mapped by open software ---------------------------------------------------------

MOBILE_GAZE_MAPPING = Format(
    "mobileGazeMapping",
    "gaze",
    x="ref_gazeX",
    y="ref_gazeY",
    time="gaze_ts [ms]",
    at_least=("confidence?", 0.6),
    file="gazeData_mapped.tsv",
    hint="Give the reference image that the gaze was mapped to, in its full size.",
)
# How large the plane is, only the user knows.
GAZE_MAPPER = Format(
    "gazeMapper",
    "gaze",
    x="gazePosPlane2D_vidPos_homography_x|gazePosPlane2D_vidPos_ray_x",
    y="gazePosPlane2D_vidPos_homography_y|gazePosPlane2D_vidPos_ray_y",
    frame=(0.0, 0.0, float("nan"), float("nan")),
    time="timestamp [ms]",
    hint="Positions are millimetres on the plane: say which numbers stand at its corners.",
)
BIDS = Format(
    "BIDS eye tracking",
    "gaze",
    x="x_coordinate [px]",
    y="y_coordinate [px]",
    time="timestamp [s]",
    file="*_physio.tsv.gz",
    hint="Give the '.json' beside each table too; it has to state pixels of the screen as the "
    "unit of 'x_coordinate' and 'y_coordinate'. And give a screenshot.",
)

FORMATS = (
    REFERENCE_IMAGE,
    REFERENCE_IMAGE_FIXATIONS,
    MARKERS,
    MARKERS_FIXATIONS,
    MANUAL,
    NEON_PLAYER,
    NEON_PLAYER_FIXATIONS,
    CORE,
    CORE_FIXATIONS,
    TOBII_SNAPSHOT,
    TOBII_SNAPSHOT_FIXATIONS,
    TOBII_SCREEN,
    TOBII_SCREEN_FIXATIONS,
    TOBII_SCREEN_SHARES,
    TOBII_SCREEN_SHARES_FIXATIONS,
    TOBII_STUDIO,
    TOBII_STUDIO_FIXATIONS,
    TOBII_STUDIO_2,
    TOBII_STUDIO_2_FIXATIONS,
    GAZEPOINT,
    GAZEPOINT_FIXATIONS,
    SMI,
    BEGAZE,
    EYELINK,
    GORILLA,
    IMOTIONS,
    MOBILE_GAZE_MAPPING,
    GAZE_MAPPER,
    BIDS,
    FACE,
    MANUAL_WITHOUT_POSITIONS,
    RAW,
    RAW_FIXATIONS,
    CORE_UNMAPPED,
    TOBII_SCENE,
    TOBII_TUPLES,
)
# Whose table Pupil Cloud writes: one for each export, with ids of recordings.
PUPIL_CLOUD = (REFERENCE_IMAGE, MARKERS)
OF_PUPIL_CLOUD = (
    *PUPIL_CLOUD,
    REFERENCE_IMAGE_FIXATIONS,
    MARKERS_FIXATIONS,
    MANUAL,
)


# Those whose tables open beside Pupil Cloud's, by name.
OTHER_PROGRAMS = tuple(
    dict.fromkeys(
        one.title.partition(",")[0]
        for one in FORMATS
        if one.holds != "nothing" and one not in OF_PUPIL_CLOUD
    )
)


def recognise(names: Iterable[str], formats: Iterable[Format] = ()) -> tuple[Format, ...]:
    """Tell what a table holds by its header, as `columns.recognise`.

    Parameters
    ----------
    names : iterable of str
        The names in the header.
    formats : iterable of Format
        Those that are known beside all in this module; they come first.
    """
    names = tuple(names)
    return columns.recognise(names, formats) or columns.recognise(names, FORMATS)


def meant(names: Iterable[str]) -> Format | None:
    """Tell what a table of Pupil Cloud was meant to be that lacks columns.

    The column with the yes or no says on what the gaze was detected, so it tells the format.
    """
    header = Header(names)
    return next((one for one in PUPIL_CLOUD if header.find(one.detected)), None)


def fixations_beside(form: Format) -> Format:
    """Return the format of the fixations that come with gaze of a format."""
    return next(one for one in FORMATS if one.holds == "fixations" and one.title == form.title)


def unknown_header(table: Table) -> ColumnsError:
    """Return the error for a table of gaze whose header is none that is known."""
    titles = " or ".join(one.title for one in PUPIL_CLOUD)
    needed = " or ".join(f"'{plain_name(one.detected)}'" for one in PUPIL_CLOUD)
    return ColumnsError(
        f"{table.file}: the header is not one of a {titles} export. "
        f"Needs a column {needed}, found {listed(table.columns)}. {HOW_TO_MAP}"
    )
