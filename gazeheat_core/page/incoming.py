"""How files come in: uploads, and the sample."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

import gazeheat_core as gh
from gazeheat_core.errors import listed, many, shown
from gazeheat_core.exports import (
    LIMITS,
    FoundExport,
    Pieces,
    SourceFile,
    find_exports,
    open_source,
    read_study,
    sources_of,
    with_sections,
)
from gazeheat_core.exports.columns import Format, Header, lacking
from gazeheat_core.exports.filenames import (
    FIXATIONS_FILE,
    GAZE_FILE,
    SECTIONS_FILE,
    is_info,
    is_picture,
    stem,
)
from gazeheat_core.exports.guessing import are_answers, find_table, head_of, read_answers
from gazeheat_core.exports.looking import UnknownTableError
from gazeheat_core.exports.sources import Given
from gazeheat_core.exports.tables import Table
from gazeheat_core.page.markup import plain
from gazeheat_core.page.session import Opened, Visit, Waiting, my_visit, return_memory
from gazeheat_core.page.turns import my_turn
from gazeheat_core.report import recordings
from gazeheat_core.sample import sample_zip

log = logging.getLogger("gazeheat")


def drop_exports(label: str, place: str = "uploads") -> None:
    """Show a place to drop files, and read them once they are there.

    Parameters
    ----------
    label : str
    place : str
        Tells several on one page apart.
    """
    files = st.file_uploader(
        label,
        accept_multiple_files=True,
        key=f"{place}-{my_visit().uploader}",
        help="ZIPs as downloaded, or the files of one export together. A picture or a list of "
        "sections may also come before or after the gaze. Files that are not needed are passed "
        "over. A file that Gazeheat made, alone, brings its settings back.",
    )
    if files:
        take_uploads(files)


def take_uploads(files: list[UploadedFile]) -> None:
    """Read what was dropped, free it, and run the page again with the studies it made."""
    visit = my_visit()
    # The visitor can start another run before this one ends. That run shows an empty
    # uploader and this sentence.
    visit.uploader += 1
    visit.interrupted = [
        f"{listed([file.name for file in files], 4, '')}: the reading was stopped when something "
        "else was pressed. Give the files again."
    ]
    try:
        with visit.taking(), visit.in_words():
            read_files(visit, files)
    finally:
        # Also when the visitor has left while the files were read.
        release(files)
        return_memory()
    visit.interrupted = []
    st.rerun()


def read_files(visit: Visit, files: list[UploadedFile]) -> None:
    """Take what was dropped for what it is: settings, exports, or pieces of one."""
    account = None if is_answers(files[0]) else lone_account(files)
    if account is not None:
        if account.columns is not None:
            visit.keep_answer(account.columns)
            with my_turn():
                for waiting in [*visit.waiting]:
                    read_waiting(visit, waiting, [account.columns])
        use_settings(visit, account, files[0].name)
        return
    known, files = take_answers(visit, files)
    sources = sources_of(gh.Upload(file.name, file) for file in files)
    with my_turn():
        for waiting in [*visit.waiting] if known else ():
            read_waiting(visit, waiting, known)
        # Pieces belong to an export that was given with them, if there is one.
        for source in [source for source in sources if not read_source(visit, source, known)]:
            take = keep_with_table if visit.waiting else take_pieces
            take(visit, source)


def is_answers(file: UploadedFile) -> bool:
    """Tell whether a file says which column of a table is what."""
    is_small = file.size <= LIMITS.answers_bytes
    return file.name.lower().endswith(".json") and is_small and are_answers(file.getvalue())


def take_answers(
    visit: Visit, files: list[UploadedFile]
) -> tuple[list[Format], list[UploadedFile]]:
    """Keep what files say of the columns of tables; return it, and all other files."""
    known, others = [], []
    for file in files:
        if not is_answers(file):
            others.append(file)
            continue
        with visit.in_words():
            known.append(read_answers(file.getvalue(), file.name))
            visit.keep_answer(known[-1])
    if known and not others and not visit.waiting:
        visit.said.append(
            f"{shown(files[0].name)}: kept for the next table with these columns. Drop it next."
        )
    return known, others


def lone_account(files: list[UploadedFile]) -> gh.Account | None:
    """Return what a file that Gazeheat made says of itself, if it was given alone.

    Raises
    ------
    SettingError
        When it can be nothing else, and says nothing.
    """
    if len(files) > 1:
        return None
    name = files[0].name
    ending = PurePosixPath(name.lower()).suffix
    if ending not in (".png", ".zip", ".svg", ".pdf", ".json"):
        return None
    if files[0].size > LIMITS.account_file_bytes:
        return None
    try:
        return gh.find_account(files[0].getvalue(), name)
    except gh.SettingError:
        if ending in (".png", ".zip") or is_info(name):  # a picture, or of an export
            return None
        raise


def use_settings(visit: Visit, account: gh.Account, name: str) -> None:
    """Set look, ticks and figure of the chosen study as a file has them, and say so.

    Raises
    ------
    SettingError
        When there is no study to set them for, it has none of the recordings, or no figure can
        be as they say.
    """
    opened = None if visit.chosen is None else visit.opened[visit.chosen]
    if opened is None or not isinstance(opened.export, gh.Study):
        raise gh.SettingError(
            f"{shown(name)}: it holds settings, and no study with a picture is open to use them "
            f"on. Open the export of '{shown(account.name)}' first, then give this file again."
        )
    ids = {one.id for one in account.recordings}
    ticked = [i for i, one in enumerate(opened.histograms) if one.id in ids]
    if ids and not ticked:
        raise gh.SettingError(
            f"{shown(name)}: none of the recordings in its settings is in {opened.export.title}. "
            f"Choose or open the export of '{shown(account.name)}', then give this file again."
        )
    try:
        figure = gh.FigureAsked.from_values(account.figure or {})
        regions = opened.fitted(account.regions)
    except gh.SettingError as error:
        raise gh.SettingError(f"{shown(name)}: its settings are not used. {error}") from None
    selection = account.selection_in(opened.export)
    gh.check_selection(opened.export, selection)
    # Their number tells the browser that its own messages are out of date, also those on time.
    opened.window_s = selection.window_s
    opened.tick(ticked, selection.sections)
    opened.figure = figure
    opened.regions = regions
    visit.wanted_look = account.look
    visit.wanted_selection = selection
    visit.said = [
        f"{shown(name)}: its settings are used, with {len(ticked):,} of "
        f"{recordings(len(opened.histograms))} ticked.",
        *gh.differences(account, opened.export),
    ]


def take_pieces(visit: Visit, source: Given) -> None:
    """Give the study that is chosen what came without gaze, or keep it until gaze comes."""
    with visit.in_words(), open_source(source) as files:
        pieces = Pieces.among(files)
        if visit.chosen is None:
            keep_pieces(visit, pieces)
        else:
            opened = visit.opened[visit.chosen]
            give_pictures(visit, opened, [file for file in files if is_picture(file.name)])
            if pieces.sections is not None:
                with visit.in_words():
                    opened.describe(with_sections(opened.export, pieces.sections))
                    visit.said.append(
                        f"{pieces.sections}: names and sections of {opened.export.title} are "
                        "taken from it."
                    )
        if pieces.fixations is not None:
            visit.problems.append(
                f"{pieces.fixations}: fixations are compared with the gaze, so they are read "
                f"together with it. Drop all files of the export at once: {GAZE_FILE}, "
                f"{FIXATIONS_FILE}, {SECTIONS_FILE} and the picture."
            )


def keep_pieces(visit: Visit, pieces: Pieces) -> None:
    """Keep picture and sections until the gaze comes that they belong to, and say so."""
    visit.kept = visit.kept.kept_with(pieces, LIMITS.kept_bytes)
    names = listed(visit.kept.files, quote="")
    visit.said.append(
        f"{names}: kept until the gaze comes. Drop the {GAZE_FILE} of the same export next."
    )


def take_missing_pictures(opened: Opened, files: list[UploadedFile]) -> None:
    """Read the picture that a study was waiting for, or those of several, and run anew."""
    visit = my_visit()
    visit.uploader += 1
    try:
        with visit.taking(), visit.in_words(), my_turn():
            uploads = [gh.Upload(file.name, file) for file in files]
            with open_source(uploads) as pictures:
                give_pictures(visit, opened, pictures)
    finally:
        release(files)
    st.rerun()


def give_pictures(visit: Visit, chosen: Opened, pictures: Sequence[SourceFile]) -> None:
    """Give each picture to the open study that waits for one of its name, and say so.

    Parameters
    ----------
    visit : Visit
    chosen : Opened
        Is asked first, and gets a picture that came alone and that no study waits for.
    pictures : sequence of SourceFile
        One that cannot be used is said; its study waits on.
    """
    waiting = [
        one
        for one in (chosen, *(other for other in visit.opened.values() if other is not chosen))
        if one.export.image is None
    ]
    given, unmatched = [], []
    for picture in pictures:
        name = comparable(picture.name)
        own = next((one for one in waiting if name in names_of_picture(one)), None)
        if own is not None:
            waiting.remove(own)
        elif len(pictures) == 1:
            own = chosen
        else:
            unmatched.append(picture)
            continue
        with visit.in_words():
            take_picture(own, picture.read(LIMITS.picture_bytes), str(picture))
            if own is not chosen or len(pictures) > 1:
                given.append(f"{shown(picture.name)} to {own.export.name}")
    if given:
        visit.said.append(
            f"{many(len(given), 'picture')} given by name: {listed(given, quote='')}."
        )
    if unmatched:
        left = [one for one in visit.opened.values() if one.export.image is None]
        expected = listed(list(dict.fromkeys(one.looked_at for one in left)))
        visit.problems.append(
            f"{listed(unmatched, quote='')}: "
            + (
                "no study that waits for a picture is called so. The names of those that wait: "
                f"{expected}. Name the pictures so, or choose a study and give its picture alone."
                if expected
                else "no other study waits for a picture. To replace one, choose its study and "
                "give the picture alone."
            )
        )


def names_of_picture(opened: Opened) -> set[str]:
    """Return what a picture of an open study may be called: as it came, or as it is called."""
    return {comparable(opened.looked_at), comparable(opened.export.name)}


def comparable(name: str) -> str:
    """Return a name without a file's ending, in small letters, as long as studies have it.

    Examples
    --------
    >>> comparable("Shelf.PNG"), comparable("shelf 1.5")
    ('shelf', 'shelf 1.5')
    """
    return shown(stem(name)).casefold()


def take_picture(opened: Opened, data: bytes, name: str) -> None:
    """Give an open study a picture; one in doubt is checked against the positions."""
    opened.take(gh.with_picture(opened.positions or opened.export, data, name))


def use_answers(waiting: Waiting, form: Format, header: tuple[str, ...]) -> None:
    """Read what waits as its visitor says, and later tables with these columns alike."""
    visit = my_visit()
    visit.keep_answer(form, header)
    with visit.taking(), my_turn():
        read_waiting(visit, waiting, [form])
    return_memory()


def leave(waiting: Waiting) -> None:
    """Free what waits, and read nothing of it."""
    my_visit().waiting.remove(waiting)
    return_memory()


def read_waiting(visit: Visit, waiting: Waiting, known: Sequence[Format]) -> None:
    """Open what waits, read as its visitor says; where that fails, it waits on.

    Parameters
    ----------
    visit : Visit
    waiting : Waiting
    known : sequence of Format
        What they say of the columns.
    """
    before = len(visit.opened)
    read_source(visit, waiting.source, known, waiting.read)
    if len(visit.opened) > before:
        visit.waiting.remove(waiting)


def ask_later(
    visit: Visit,
    source: Given,
    found: Sequence[FoundExport],
    unknown: UnknownTableError,
    table: Table,
) -> None:
    """Keep a source until its visitor has said which column of a table is what.

    Raises
    ------
    LimitError
        When it is too large to be kept.
    """
    visit.wait_for_answers(
        Waiting(
            number=next(visit.numbers),
            problem=str(unknown),
            head=head_of(unknown.file),
            header=table.columns,
            header_line=table.header_lines,
            guess=unknown.guess,
            files=copied(source),
            is_packed=isinstance(source, gh.Upload),
            read=frozenset((str(one.gaze.file.path), one.stimulus) for one in found),
        )
    )


def copied(source: Given) -> tuple[tuple[str, bytes], ...]:
    """Return the names and bytes of all that was given, of each one byte more than is kept."""
    pieces = [source] if isinstance(source, gh.Upload) else source
    assert isinstance(pieces, Sequence)
    files = []
    for piece in pieces:
        assert isinstance(piece, gh.Upload)
        piece.stream.seek(0)
        files.append((piece.name, piece.stream.read(LIMITS.waiting_bytes + 1)))
    return tuple(files)


def keep_with_table(visit: Visit, source: Given) -> None:
    """Keep pictures with the table that waits, so that each is found by its name."""
    with visit.in_words():
        waiting = visit.waiting.pop(0)
        files = copied(source)
        try:
            whole = replace(waiting, files=(*waiting.files, *files), is_packed=False)
            visit.wait_for_answers(whole)
        except gh.LimitError:
            visit.waiting.insert(0, waiting)
            raise
        visit.waiting.insert(0, visit.waiting.pop())
        names = listed([name for name, _ in files], quote="")
        visit.said.append(f"{names}: kept with {shown(waiting.head.name)}.")


def read_source(
    visit: Visit,
    source: Given,
    known: Sequence[Format] = (),
    read: Collection[tuple[str, str]] = (),
    *,
    shows_progress: bool = True,
) -> bool:
    """Open every export of a source as a study; an error with one is kept as a sentence.

    A table that nobody has described is read as an earlier one with the same columns, or kept
    until its visitor has said which column is what.

    Parameters
    ----------
    visit : Visit
    source : Upload, or list of Upload
    known : sequence of Format
        What the visitor says of the columns of a table.
    read : collection of (str, str)
        Path and stimulus of exports that are open already.
    shows_progress : bool
        Not in a callback: what it shows stands above the page and moves all of it, and the next
        run moves it back.

    Returns
    -------
    bool
        False for a source that holds pieces of an export alone.
    """
    progress = st.empty() if shows_progress else None
    with visit.in_words(), open_source(source) as files:
        if visit.waiting and not known and all(is_picture(file.name) for file in files):
            return False
        found, problems = find_exports(files, known)
        # Tables with the same columns get the same answer.
        asked: set[tuple[str, ...]] = set()
        for unknown in [one for one in problems if isinstance(one, UnknownTableError)]:
            table = find_table(unknown.file, unknown.guess)
            answer = None if table is None else visit.answer_to(table.columns)
            if answer is not None and not known:
                found, problems = find_exports(files, [answer])
                visit.said.append(f"{unknown.file}: read as was said of these columns before.")
            elif known and table is not None:
                missing = lacking(known[0], Header(table.columns))
                place = problems.index(unknown)
                problems[place] = gh.ColumnsError(
                    f"{unknown.file}: the answers given are of a table with {listed(missing)}, "
                    f"and this one has {listed(table.columns)}. Give the answers for this table."
                )
            elif table is not None:
                problems.remove(unknown)
                if table.columns in asked:
                    continue
                asked.add(table.columns)
                with visit.in_words():
                    ask_later(visit, source, found, unknown, table)
        found = [one for one in found if (str(one.gaze.file.path), one.stimulus) not in read]
        if not found and not problems and visit.waiting:
            return True
        if are_pieces(files) and (not found or are_awaited(visit, found)):
            return False
        visit.problems.extend(str(problem) for problem in problems)
        for number, one in enumerate(found):
            left = len(found) - number
            visit.check_room(one.name if left == 1 else f"{one.name} and {left - 1:,} more")
            with visit.in_words():
                start_s = time.monotonic()
                kept = visit.kept.lacked_by(one) if len(found) == 1 else Pieces()
                pictures = [] if kept.picture is None else [kept.picture]
                whole = replace(one, files=(*one.files, *pictures))
                on_rows = None if progress is None else show_progress(progress, one.name)
                study = read_study(whole, on_rows)
                visit.add(with_kept_sections(visit, study, kept), start_s)
                visit.kept = visit.kept.without(kept)
                if kept.picture is not None and study.image is not None:
                    visit.said.append(
                        f"{kept.picture}, given before, is used with {one.gaze.file}."
                    )
    if progress is not None:
        progress.empty()
    return True


def with_kept_sections(
    visit: Visit, export: gh.Export | gh.Study, kept: Pieces
) -> gh.Export | gh.Study:
    """Give an export the list of sections that came before it, and say so."""
    if kept.sections is not None:
        with visit.in_words():
            export = with_sections(export, kept.sections)
            visit.said.append(f"{kept.sections}, given before, is used with {export.title}.")
    return export


def are_awaited(visit: Visit, found: Sequence[FoundExport]) -> bool:
    """Tell whether fixations alone came with the picture that the chosen study waits for."""
    opened = None if visit.chosen is None else visit.opened[visit.chosen]
    return (
        opened is not None
        and opened.export.image is None
        and not any(one.has_gaze for one in found)
    )


def are_pieces(files: Sequence[SourceFile]) -> bool:
    """Tell whether files are a picture, sections or fixations, and no others.

    Beside an open study there may be several pictures.
    """
    pieces = Pieces.among(files)
    is_known = pieces.picture is not None or pieces.sections is not None
    if my_visit().chosen is None:
        return is_known and len(pieces.files) == len(files)
    # Fixations alone may be all that an export has.
    return all(is_picture(file.name) or file in pieces.files for file in files)


def show_progress(place: DeltaGenerator, name: str) -> Callable[[int, float], None]:
    """Return a function that shows how much of an export has been read."""

    def on_rows(rows: int, share: float) -> None:
        place.progress(share, text=f"Reading {plain(name)}: {rows:,} rows")

    return on_rows


def release(files: list[UploadedFile]) -> None:
    """Free uploaded bytes now, not when the session ends.

    Streamlit has no public function for this. Where its internals differ, the files stay
    until the page is closed.
    """
    try:
        context: Any = get_script_run_ctx()
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
            file.close()
    except (AttributeError, TypeError):
        log.warning("uploads cannot be released before the session ends")


@st.cache_resource(show_spinner="Drawing the sample…")
def sample_bytes() -> bytes:
    """Return the sample's ZIP, made once for all sessions."""
    return sample_zip()


def open_sample() -> None:
    """Read the sample through the same reader as an upload."""
    visit = my_visit()
    with visit.taking(), visit.in_words():
        sample = gh.Upload("Gazeheat sample.zip", io.BytesIO(sample_bytes()))
        read_source(visit, sample, shows_progress=False)
