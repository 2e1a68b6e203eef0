"""The download buttons: a click gives the file, or says why not."""

from __future__ import annotations

import gazeheat_core as gh
from gazeheat_core.images import IMAGE_FILES, ImageFile
from gazeheat_core.page.component import component
from gazeheat_core.page.server import File
from gazeheat_core.page.session import Opened
from gazeheat_core.report import file_name, file_stem

_MAKING = "Drawing the file in the picture's full size…"
_UNREACHABLE = "The server does not answer. Check the connection, then try again."


def downloads(opened: Opened, heatmap: gh.Heatmap, look: gh.Look) -> None:
    """Offer the two files; each is drawn in full size when it is clicked."""
    study = opened.export
    assert isinstance(study, gh.Study)
    image, ticked = study.image, sorted(opened.ticked)
    assert image is not None
    stem = file_stem(study.name)

    def offer(what: ImageFile) -> dict[str, str]:
        name = file_name(stem, what, len(ticked), len(study.recordings), look.scale)

        def make() -> File:
            texts = gh.png_texts(gh.account_of(study, ticked, look))
            (data,) = gh.render_files(heatmap, image, look, [what], texts).values()
            return File(data, "image/png", name)

        is_empty = heatmap.counts.used == 0
        address = opened.loan.lend(what, make)
        return {
            "what": what,
            "label": f"Download {what}",
            "name": name,
            "address": "" if is_empty else address,
        }

    files = [offer(part) for part in IMAGE_FILES]
    data = {"files": files, "making": _MAKING, "unreachable": _UNREACHABLE}
    component("downloads")(data=data, key="downloads")
