"""Which tables make an export, what it is called, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isnan
from pathlib import PurePosixPath

from gazeheat_core.errors import (
    ExportError,
    GazeheatError,
    LimitError,
    SourceError,
    UnmappedError,
    listed,
    shown,
)
from gazeheat_core.exports import formats, tables
from gazeheat_core.exports.columns import Format, Header, find_columns, find_layout
from gazeheat_core.exports.contents import Contents, KnownTable, OnRows, time_is_whole_ns
from gazeheat_core.exports.filenames import (
    FACE_FILES,
    FIXATIONS_FILE,
    GAZE_FILE,
    RAW_FILES,
    UNTITLED,
    WORKBOOK,
    enrichment_kind,
    enrichment_name,
    file_named,
    has_file,
    is_gaze,
    is_info,
    is_picture,
    is_zip,
    sidecars_among,
    source_name,
    stem,
    telling_name,
)
from gazeheat_core.exports.formats import HOW_TO_MAP, PUPIL_CLOUD
from gazeheat_core.exports.found import FoundExport
from gazeheat_core.exports.looking import (
    Look,
    Looked,
    UnknownTableError,
    empty_gaze,
    near_format,
    sections_table,
    unknown_table,
)
from gazeheat_core.exports.sources import SourceFile
from gazeheat_core.exports.tables import Table

SAFARI_LEFT = (
    "This is what Safari leaves of a download: it unpacks the ZIP and keeps only the files that "
    "it calls safe. Download the enrichment again with another browser, or first switch off "
    "'Open \"safe\" files after downloading' in Safari's settings, under General."
)
# Problems of one source that are told one by one.
_FEW_PROBLEMS = 5


def find_exports(
    files: Iterable[SourceFile],
    known: Sequence[Format] = (),
    on_rows: OnRows | None = None,
) -> tuple[list[FoundExport], list[GazeheatError]]:
    """Find the exports among the files of one source.

    Headers are read, and the rows of those tables only that say in each row what was looked at.

    Parameters
    ----------
    files : iterable of SourceFile
    known : sequence of Format
        Descriptions of tables beside those that are known to all; they come first.
    on_rows : callable, optional
        Called with the rows read so far and the share of the files, where rows are read.

    Returns
    -------
    found : list of FoundExport
        Empty where there are more than the limits allow.
    problems : list of GazeheatError
        What is wrong with the folders that looked like an export and are none. Of many
        folders there is one that says how many.
    """
    folders: dict[PurePosixPath, list[SourceFile]] = {}
    for file in files:
        folders.setdefault(file.folder, []).append(file)
    everything = [file for members in folders.values() for file in members]
    found: list[FoundExport] = []
    problems: list[GazeheatError] = []
    others: list[Looked] = []
    empty: list[SourceFile] = []
    look = Look(known)
    for folder, members in folders.items():
        try:
            looked = look.into(members)
            without_rows = empty_gaze(looked)
            empty += [one.file for one in without_rows]
            looked = [one for one in looked if one not in without_rows]
            cloud = _cloud_export(folder, members, looked)
            if cloud is not None:
                found.append(cloud)
            else:
                others += looked
        except GazeheatError as error:
            problems.append(error)
        if _are_too_many(found, everything, problems):
            return [], problems
    for export in _other_exports(others, everything, problems, on_rows):
        found.append(replace(export, empty=tuple(one for one in empty if one in export.files)))
        if _are_too_many(found, everything, problems):
            return [], problems
    if not found and not problems:
        problems.append(_nothing_found(everything, others, look))
    problems = _together(problems)
    return found, [*map(_beside_exports, problems)] if found else problems


def _are_too_many(
    found: list[FoundExport], files: list[SourceFile], problems: list[GazeheatError]
) -> bool:
    """Tell whether there are too many exports; then that is the only problem."""
    if not found or len(found) <= (most := found[0].gaze.file.limits.exports):
        return False
    source = found[0].gaze.file.source or "The files given"
    problems[:] = [
        LimitError(f"{source}: more than {most:,} exports. Give some of them at a time.")
    ]
    return True


def _together(problems: list[GazeheatError]) -> list[GazeheatError]:
    """Make one problem of many: the first that is not excused by good exports beside it."""
    if len(problems) <= _FEW_PROBLEMS:
        return problems
    first = next((p for p in problems if not isinstance(p, UnmappedError)), problems[0])
    words = f"{len(problems):,} folders hold a {GAZE_FILE} that cannot be used. The first: {first}"
    if isinstance(first, UnknownTableError):
        return [UnknownTableError(words, first.file, first.guess)]
    return [type(first)(words)]


def _beside_exports(problem: GazeheatError) -> GazeheatError:
    """Let no question about a table keep back the exports that were found with it."""
    if not isinstance(problem, UnknownTableError) or problem.guess is not None:
        return problem
    return problem.otherwise("Give it alone to say which of them hold the positions.")


# --- Exports of Pupil Cloud ----------------------------------------------------------


def _cloud_export(
    folder: PurePosixPath, members: list[SourceFile], looked: list[Looked]
) -> FoundExport | None:
    """Return the export that the tables of a folder make; None where they are others'.

    Raises
    ------
    GazeheatError
        When there is a table of gaze that cannot be used.
    """
    named = [one for one in looked if is_gaze(one.file.name)]
    if len(named) > 1:
        raise ExportError(
            f"Several files named {GAZE_FILE} were given together, so it is not clear "
            "what belongs to what. Give one export's files, or one folder, at a time, "
            "or the ZIPs."
        )
    gaze = named or [one for one in looked if one.holding("gaze") in PUPIL_CLOUD]
    if not gaze:
        return None
    if len(gaze) > 1:
        raise ExportError(
            f"Several tables of gaze lie together ({listed([one.file.name for one in gaze], 4)}), "
            "so it is not clear which one is meant. Give one of them at a time."
        )
    table = gaze[0].table
    form = _gaze_format(gaze[0], members)
    if form not in PUPIL_CLOUD:
        return None
    if Header(table.columns).find_time(form.time) is None:
        find_columns(table, *form.recording, form.detected, form.x, form.y)
    else:
        find_layout(form, table)  # names the missing columns
    fixations = file_named(members, FIXATIONS_FILE) or next(
        (
            one.file
            for one in looked
            if one.file is not table.file
            and one.holding("fixations") is formats.fixations_beside(form)
        ),
        None,
    )
    name = folder.name or source_name(table.file)
    if not name and table.file.disk is not None:
        name = table.file.disk.absolute().parent.name
    name = name or UNTITLED
    found = FoundExport(
        name=shown(enrichment_name(name)),
        kind=enrichment_kind(name, form),
        format=form,
        gaze=table,
        files=tuple(members),
        fixations=fixations,
        sections=sections_table(members),
    )
    if time_is_whole_ns(table, form):
        return found
    beside = next((one for one in looked if one.file is fixations), None)
    known = [KnownTable(table, form)]
    if beside is not None and (fixated := beside.holding("fixations")) is not None:
        known.append(KnownTable(beside.table, fixated))
    return replace(found, contents=Contents(known))


def _gaze_format(looked: Looked, members: list[SourceFile]) -> Format:
    gaze = looked.holding("gaze")
    # Only Pupil Cloud has sections, so an id of the recording is missing.
    if gaze is formats.NEON_PLAYER and Header(looked.table.columns).find(formats.SECTIONS.section):
        gaze = formats.MARKERS
    gaze = gaze or formats.meant(looked.table.columns)
    if gaze is not None:
        return gaze
    useful = looked.holding("fixations")
    if useful is not None:
        return useful
    useless = looked.holding("nothing")
    if useless is None and has_file(members, FACE_FILES):
        useless = formats.FACE
    if useless is not None:
        raise UnmappedError(f"{looked.file}: {useless.hint}")
    unknown = None if _is_of_cloud(looked.table) else unknown_table(looked.file)
    raise unknown or formats.unknown_header(looked.table)


def _is_of_cloud(table: Table) -> bool:
    """Tell whether a table has a column that only tables of Pupil Cloud have."""
    header = Header(table.columns)
    return any(header.find(name) for one in PUPIL_CLOUD for name in (*one.recording, one.x, one.y))


# --- Exports of all others -----------------------------------------------------------


def _other_exports(
    looked: list[Looked],
    files: list[SourceFile],
    problems: list[GazeheatError],
    on_rows: OnRows | None,
) -> Iterable[FoundExport]:
    """Yield the exports that tables of other programs make, one for each that was looked at.

    Tables of one program belong together: those of a folder where columns name the recordings,
    else those of all folders. What is wrong with some of them is added to the problems.
    """
    groups: dict[tuple[str, PurePosixPath | None], list[tuple[Looked, Format]]] = {}
    for one in looked:
        for form in _read_as(one):
            if form.frame is not None and any(map(isnan, form.frame)):
                problems.append(
                    UnknownTableError(
                        f"{one.file}: this is a table of {form.title}. {form.hint}", one.file, form
                    )
                )
                continue
            header = Header(one.table.columns)
            has_names = any(header.find(column) for column in form.recording)
            folder = one.file.folder if has_names else None
            groups.setdefault((form.title, folder), []).append((one, form))
    for (_, folder), members in groups.items():
        try:
            yield from _group(folder, members, files, on_rows)
        except GazeheatError as error:
            problems.append(error)


def _read_as(one: Looked) -> list[Format]:
    """Return the formats that a table is read in.

    Some programs write tables of gaze and of fixations with the same columns. One with the
    name of fixations then has a row for each, which is no sample of gaze.
    """
    useful = [form for form in one.formats if form.holds != "nothing"]
    usual = [form.holds for form in useful if _middle(one.file.name, form.file) is not None]
    return [form for form in useful if usual != ["fixations"] or form.holds == "fixations"]


def _group(
    folder: PurePosixPath | None,
    members: list[tuple[Looked, Format]],
    files: list[SourceFile],
    on_rows: OnRows | None,
) -> Iterable[FoundExport]:
    """Yield the exports of tables that belong together.

    Raises
    ------
    GazeheatError
        When they cannot be read, or name nothing that was looked at.
    """
    known = _named(members)
    contents = Contents(known)
    first = next((one for one in known if one.format.holds == "gaze"), known[0])
    inside = {one.table.file.folder for one in known}
    beside = files if folder is None else [file for file in files if file.folder in inside]
    folder_name = folder.name if folder is not None else ""
    stimuli = contents.stimuli(on_rows)
    if not stimuli:
        column = Header(first.table.columns).find(first.format.picture)
        name = shown(first.table.columns[column[0].position]) if column else ""
        raise ExportError(
            f"{first.table.file}: this is a table of {first.format.title}, and "
            + (
                f"in no row '{name}' says what was looked at. "
                if contents.rows_without_picture
                else "there are no rows below the header. "
            )
            + first.format.hint
        )
    for stimulus in stimuli:
        name = stimulus or folder_name or _group_name(known)
        yield FoundExport(
            name=shown(enrichment_name(stem(name) or name)),
            kind=enrichment_kind(folder_name, first.format),
            format=first.format,
            gaze=first.table,
            files=tuple(beside),
            sections=sections_table(list(beside)),
            contents=contents,
            stimulus=stimulus,
        )


def _group_name(known: list[KnownTable]) -> str:
    """Name an export after its only file, or else after its source."""
    file = known[0].table.file
    if known[0].format in formats.OF_PUPIL_CLOUD:
        return source_name(file) or UNTITLED
    stems = {stem(one.table.file.name) for one in known}
    return stems.pop() if len(stems) == 1 else source_name(file) or UNTITLED


def _named(members: list[tuple[Looked, Format]]) -> list[KnownTable]:
    """Name the recording of each table, and what was looked at, where its file tells them.

    Recordings are told apart by those parts of their paths in which they differ.
    """
    stars = [_star(one, form) for one, form in members]
    paths = [
        (*one.file.folder.parts, recording)
        for (one, _), (recording, _) in zip(members, stars, strict=True)
    ]
    # One table of gaze and one of fixations are of the same recording, whatever they are called.
    is_pair = sorted(form.holds for _, form in members) == ["fixations", "gaze"]
    labels = _differing([paths[0]] * len(paths) if is_pair else paths)
    known = []
    for (one, form), (_, stimulus), path, label in zip(members, stars, paths, labels, strict=True):
        known.append(KnownTable(one.table, form, label or telling_name(path, one.file), stimulus))
    return known


def _star(one: Looked, form: Format) -> tuple[str, str]:
    """Return what a file's name says of the recording, and of what was looked at."""
    name = one.file.name
    # A table of gaze may hold the fixations too: it then has the name of its gaze.
    for usual in (form.file, *(other.file for other in one.formats)):
        middle = _middle(name, usual)
        if middle is not None:
            rows_tell = "*" in form.x or bool(form.picture) or form.title == formats.BIDS.title
            return (middle or stem(name), "") if rows_tell else ("", middle)
    return stem(name), ""


def _middle(name: str, usual: str) -> str | None:
    """Return what stands in the place of the star of a usual name; None for another name."""
    head, star, tail = usual.partition("*")
    if not star:
        return "" if usual and name == usual else None
    if len(name) < len(head + tail) or not (name.startswith(head) and name.endswith(tail)):
        return None
    return name[len(head) : len(name) - len(tail)]


def _differing(paths: list[tuple[str, ...]]) -> list[str]:
    """Return the parts in which paths differ, as one name each."""
    start = end = 0
    shortest = min(map(len, paths))
    while start < shortest and len({path[start] for path in paths}) == 1:
        start += 1
    while end < shortest - start and len({path[len(path) - 1 - end] for path in paths}) == 1:
        end += 1
    return ["/".join(filter(None, path[start : len(path) - end])) for path in paths]


# --- Nothing -------------------------------------------------------------------------


def _nothing_found(files: list[SourceFile], looked: list[Looked], look: Look) -> GazeheatError:
    source = next((file.source for file in files if file.source), "") or "The files given"
    useless = next((one for one in looked if one.holding("nothing")), None)
    if useless is not None:
        form = useless.holding("nothing")
        assert form is not None
        return UnmappedError(f"{useless.file}: {form.hint}")
    if has_file(files, FACE_FILES):
        return UnmappedError(f"{source}: {formats.FACE.hint}")
    if has_file(files, RAW_FILES):
        return UnmappedError(
            f"{source}: this looks like a raw recording, which holds no gaze mapped to a picture. "
            f"{HOW_TO_MAP}"
        )
    for file in look.unknown[:_FEW_PROBLEMS]:
        near = near_format(file, sidecars_among(one for one in files if one.folder == file.folder))
        if near is not None:
            form, missing = near
            return UnknownTableError(
                f"{file}: this looks like a table of {form.title} without {listed(missing)}. "
                f"{form.hint}",
                file,
            )
        unknown = unknown_table(file)
        if unknown is not None:
            return unknown
    if look.refused is not None:
        return look.refused
    if any(file.path == WORKBOOK for file in files):
        return SourceError(f"{source}: {tables.WORKBOOK}")
    names = sorted({file.name for file in files})
    inner = next((name for name in names if is_zip(name)), None)
    if inner:
        return ExportError(f"{source}: it holds another ZIP ({shown(inner)}). Give that one.")
    if file_named(files, FIXATIONS_FILE) is not None:
        return ExportError(
            f"{source}: there is a {FIXATIONS_FILE} without positions and no table of gaze, as in "
            f"a Manual Mapper export that is not finished. {HOW_TO_MAP}"
        )
    found = f"{source}: no table of gaze found" + (
        f", only {listed(names, 8, '')}" if names else "; it is empty"
    )
    if any(map(is_info, names)) and all(is_info(name) or is_picture(name) for name in names):
        return ExportError(f"{found}. {SAFARI_LEFT}")
    return ExportError(
        f"{found}. Give the download of a Reference Image Mapper or Marker Mapper enrichment, "
        "with all its files, or another eye tracker's table of mapped gaze."
    )
