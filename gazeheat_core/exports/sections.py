"""The list of sections: the names of recordings, and where their sections begin and end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from gazeheat_core.errors import ColumnsError, GazeheatError, LimitError
from gazeheat_core.exports import formats, tables
from gazeheat_core.exports.columns import Header
from gazeheat_core.exports.found import FoundExport
from gazeheat_core.exports.sources import SourceFile
from gazeheat_core.exports.tables import Table


class DescribedSection(NamedTuple):
    """What the list of sections says of one of them.

    Attributes
    ----------
    start_ns : int or None
        Where it begins; None where that cannot be read.
    events : (str, str)
        Names of its first and last event.
    """

    start_ns: int | None = None
    events: tuple[str, str] = ("", "")


@dataclass(slots=True)
class Described:
    """What the list of sections says of one recording."""

    name: str = ""
    wearer: str = ""
    sections: dict[str, DescribedSection] = field(default_factory=dict)

    def section(self, id: str) -> DescribedSection:
        """Return what is known of a section."""
        return self.sections.get(id, DescribedSection())


def count_recordings(found: FoundExport) -> int | None:
    """Count the recordings that the list of sections names; None without one that can be used."""
    try:
        return len(read_sections(found, [])) or None
    except LimitError:
        return None


def read_sections(found: FoundExport, notices: list[str]) -> dict[str, Described]:
    """Read what is known of the recordings, by their ids; adds to `notices`.

    Raises
    ------
    LimitError
        When the table is too large, or lists too many recordings.
    """
    if found.sections is None:
        return {}
    try:
        return describe_recordings(found.sections)
    except LimitError:
        raise
    except GazeheatError as error:
        notices.append(f"{error} Recordings are shown by their ids.")
        return {}


def describe_recordings(file: SourceFile) -> dict[str, Described]:
    """Read what a list of sections says of the recordings, by their ids.

    Raises
    ------
    GazeheatError
        When it cannot be read, is too large, or lists too many recordings.
    """
    records = tables.read_records(file)
    columns = _section_columns(tables.read_header(file))
    described: dict[str, Described] = {}
    for record in records:
        recording_id, section_id, name, wearer, start, start_event, end_event = (
            "" if column is None else record.get(column, "") for column in columns
        )
        recording = described.setdefault(recording_id, Described())
        recording.name = recording.name or name
        recording.wearer = recording.wearer or wearer
        start_ns = tables.whole_number(start)
        recording.sections[section_id] = DescribedSection(start_ns, (start_event, end_event))
    described.pop("", None)
    if len(described) > file.limits.recordings:
        raise LimitError(
            f"{file}: more than {file.limits.recordings:,} recordings. "
            "Check that it is the file from the export."
        )
    return described


def _section_columns(table: Table) -> list[str | None]:
    """Return the names that a list of sections has for recording, section and the rest."""
    known = formats.SECTIONS
    header = Header(table.columns)
    if not header.find(known.recording):
        raise ColumnsError(f"{table.file}: has no column '{known.recording}'.")
    wanted = (
        known.recording,
        known.section,
        known.name,
        known.wearer,
        known.start,
        known.start_event,
        known.end_event,
    )
    found = [header.find(column) for column in wanted]
    return [table.columns[places[0].position] if places else None for places in found]
