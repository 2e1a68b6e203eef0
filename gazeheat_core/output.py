"""What comes out of a study: every file that can be had of a heatmap, by its name.

The page and the command line ask for them here, so that they are the same to the byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import cached_property
from os import PathLike
from typing import Any, Literal, TypeAlias, cast, get_args

from gazeheat_core.account import SETTINGS_FILE, Account, account_of, png_texts
from gazeheat_core.bundle import report_zip
from gazeheat_core.checks import as_json as checks_as_json
from gazeheat_core.checks import check_study
from gazeheat_core.errors import SettingError
from gazeheat_core.figure import FigureKind, draw_figure
from gazeheat_core.heatmap import Heatmap, place_px
from gazeheat_core.images import ImageFile, render_files
from gazeheat_core.naming import file_name
from gazeheat_core.paper import caption, methods_text
from gazeheat_core.regions import Region, RegionNumbers, look_into
from gazeheat_core.regions import as_json as regions_as_json
from gazeheat_core.scale import colour_scale
from gazeheat_core.selection import RecordingHistogram, rows_of
from gazeheat_core.settings import FigureStyle, Look
from gazeheat_core.study import Study

FileKind: TypeAlias = Literal[
    "heatmap", "overlay", "opaque", "figure-png", "figure-svg", "figure-pdf", "report"
]
FILE_KINDS: tuple[FileKind, ...] = get_args(FileKind)
_MIME = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "zip": "application/zip",
}


@dataclass(frozen=True, slots=True)
class FigureAsked:
    """What a person has chosen for a figure.

    Attributes
    ----------
    style : FigureStyle
    heading : str
        Empty for none.
    caption : str or None
        Empty for none; None for the one that is written here.
    """

    style: FigureStyle = field(default_factory=FigureStyle)
    heading: str = ""
    caption: str | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> FigureAsked:
        """Take the values of a form, or of what a file says of itself.

        Parameters
        ----------
        values : mapping
            With ``width_mm``, ``dpi``, ``heading`` and ``caption``; one that is missing has its
            default. They may come from anywhere.

        Raises
        ------
        SettingError
        """
        own = cls()
        texts = {"heading": own.heading, "caption": own.caption}
        texts |= {name: values[name] for name in texts if values.get(name) is not None}
        for name, text in texts.items():
            if not isinstance(text, str | None):
                raise SettingError(f"The {name} of the figure is no text. Write one, or none.")
        sizes = asdict(own.style)
        sizes |= {name: values[name] for name in sizes if name in values}
        return cls(FigureStyle(**sizes), texts["heading"] or "", texts["caption"])

    @classmethod
    def from_json(cls, text: str) -> FigureAsked:
        """Take what a form has sent.

        Raises
        ------
        SettingError
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise SettingError("The figure's form did not arrive whole. Try again.")
        return cls.from_values(values)


@dataclass(frozen=True, eq=False)
class Output:
    """A heatmap, and what its files have to say of it.

    Attributes
    ----------
    study : Study
        With a picture.
    histograms : sequence of RecordingHistogram
        Of all its recordings.
    ticked : sequence of int
        Positions of those that make the heatmap.
    heatmap : Heatmap
    look : Look
    stem : str
        What all names begin with.
    regions : sequence of Region
    """

    study: Study
    histograms: Sequence[RecordingHistogram]
    ticked: Sequence[int]
    heatmap: Heatmap
    look: Look
    stem: str
    regions: Sequence[Region] = ()

    @property
    def pooled(self) -> list[RecordingHistogram]:
        """The histograms that make the heatmap."""
        return [self.histograms[i] for i in self.ticked]

    def caption(self) -> str:
        """Return the caption that a figure has where nobody has written another."""
        return caption(self.study, self.pooled, self.heatmap, self.look)

    def name(self, what: FileKind) -> str:
        """Return the name of a file, which says what is in it."""
        part, _, ending = what.partition("-")
        ending = ending or ("zip" if what == "report" else "png")
        counts = len(self.ticked), len(self.study.recordings)
        asked = self.heatmap.selection
        if not self.heatmap.counts.other_section:
            asked = replace(asked, sections=None)
        return file_name(self.stem, part, *counts, self.look.scale, ending, asked)

    def mime(self, what: FileKind) -> str:
        """Return the type of a file."""
        return _MIME[self.name(what).rpartition(".")[2]]

    def account(self, asked: FigureAsked | None = None) -> Account:
        """Return what the files say of themselves; with `asked`, a figure or a report."""
        if asked is None:
            return self._account
        words = {"heading": asked.heading, "caption": self._words(asked)}
        return replace(self._account, figure={**asdict(asked.style), **words})

    @cached_property
    def _account(self) -> Account:
        """The account of an image: it looks at all samples, so once is enough for all files."""
        return account_of(
            self.study,
            self.ticked,
            self.look,
            selection=self.heatmap.selection,
            histograms=self.histograms,
            regions=self.regions,
        )

    @cached_property
    def looks(self) -> tuple[RegionNumbers, ...]:
        """How the ticked recordings looked at the regions."""
        asked = self.heatmap.selection
        return look_into(self.study, asked, self.ticked, self.histograms, self.regions)

    def images(self, parts: Sequence[ImageFile]) -> dict[ImageFile, bytes]:
        """Draw images of the picture's exact size."""
        assert self.study.image is not None
        texts = png_texts(self.account())
        return render_files(self.heatmap, self.study.image, self.look, parts, texts)

    def figure(self, kind: FigureKind, asked: FigureAsked) -> bytes:
        """Draw the overlay with its colour bar, and the words that were asked for."""
        assert self.study.image is not None
        return draw_figure(
            self.heatmap,
            self.study.image,
            self.look,
            asked.style,
            kind,
            label=colour_scale(self.heatmap, self.look).label,
            heading=asked.heading,
            caption=self._words(asked),
            account=self.account(asked).as_json(),
        )

    def report(self, asked: FigureAsked, made_on: date) -> bytes:
        """Pack all files, the numbers behind them and what a paper has to say of them."""
        account = self.account(asked)
        account = replace(account, figure={**(account.figure or {}), "made_on": f"{made_on}"})
        images = self.images(get_args(ImageFile))
        figures: dict[FileKind, bytes] = {
            "figure-png": self.figure("png", asked),
            "figure-svg": self.figure("svg", asked),
            "figure-pdf": self.figure("pdf", asked),
        }
        methods = methods_text(self.study, self.pooled, self.heatmap, self.look)
        return report_zip(
            self.study,
            self.histograms,
            self.ticked,
            self.heatmap,
            {
                **{self.name(what): data for what, data in (*images.items(), *figures.items())},
                SETTINGS_FILE: account.as_json().encode(),
                "methods.txt": methods.encode(),
            },
            made_on,
            description=self.caption(),
            regions=self.looks,
        )

    def make(
        self, what: FileKind, asked: FigureAsked = FigureAsked(), made_on: date | None = None
    ) -> bytes:
        """Make one file.

        Parameters
        ----------
        what : str
            One of `FILE_KINDS`.
        asked : FigureAsked
            For a figure, and for the figures in a report.
        made_on : date, optional
            Stands in a report; today where it is not given.

        Raises
        ------
        SettingError
            When a figure cannot be as it is asked for.
        """
        if what == "report":
            return self.report(asked, made_on or date.today())
        if what.startswith("figure-"):
            return self.figure(cast(FigureKind, what.removeprefix("figure-")), asked)
        (data,) = self.images([cast(ImageFile, what)]).values()
        return data

    def told(self, files: Mapping[FileKind, PathLike[str]]) -> dict[str, Any]:
        """Return what the command line prints of the heatmap, ready for JSON.

        Parameters
        ----------
        files : mapping of str to path
            Where each file was written.
        """
        width, height = self.study.size()
        has_times = self.study.has_times
        intervals_ms = {one.sampling_interval_ns / 1e6 for one in self.pooled}
        return {
            "enrichment": self.study.name,
            "kind": self.study.kind.lower().replace(" ", "-"),
            "image_size": {"width": width, "height": height},
            "settings": self.account().settings(),
            "maximum": self._maximum(),
            "seconds": self.heatmap.seconds,
            "regions": regions_as_json(self.looks),
            # One number where all recordings have it.
            "interval_ms": (intervals_ms.pop() or None) if len(intervals_ms) == 1 else None,
            "recordings": [
                {
                    "id": one.id,
                    "name": one.name,
                    "rows": one.rows,
                    **one.counts._asdict(),
                    # Only times tell which rows repeat another one.
                    **({} if has_times else {"listed_twice": None}),
                    "interval_ms": one.sampling_interval_ns / 1e6 or None,
                }
                for one in self.pooled
            ],
            "unassigned_rows": rows_of(self.study, self.heatmap.selection.measure)[1],
            "checks": checks_as_json(check_study(self.study)),
            "files": {what: str(path) for what, path in files.items()},
        }

    def _maximum(self) -> dict[str, Any] | None:
        """Return the value of the hottest place in its unit, and where it is in pixels."""
        if self.heatmap.peak is None:
            return None
        scale = colour_scale(self.heatmap, self.look)
        x, y = place_px(self.heatmap, self.study.size())
        return {"value": scale.maximum, "unit": scale.unit, "x": x, "y": y}

    def _words(self, asked: FigureAsked) -> str:
        return self.caption() if asked.caption is None else asked.caption
