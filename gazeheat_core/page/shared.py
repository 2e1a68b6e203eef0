"""Studies on the server: open once, for all visitors who look at them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakValueDictionary

from gazeheat_core.errors import SourceError
from gazeheat_core.exports import FoundExport
from gazeheat_core.page.turns import LOOK_UP_S
from gazeheat_core.study import Study

Identity: TypeAlias = tuple[object, ...]


def identity(found: FoundExport) -> Identity:
    """Tell an export on the server apart from all others, and from itself once it changes.

    Raises
    ------
    SourceError
        When a file is gone.
    """
    facts: list[object] = [found.name, found.kind, found.stimulus]
    for file in found.material:
        try:
            facts += [str(file.path), file.state()]
        except OSError:
            raise SourceError(
                f"{file}: it is not there any more. Look through the server's folder again."
            ) from None
    return tuple(facts)


class SharedStudies:
    """The studies that someone has open; freed when the last one closes them."""

    def __init__(self) -> None:
        self._studies: WeakValueDictionary[Identity, Study] = WeakValueDictionary()
        self._in_work: set[Identity] = set()
        self._change = threading.Condition()

    def get(self, which: Identity, read: Callable[[], Study], waiting: Callable[[], None]) -> Study:
        """Return a study, read only where no one has it open.

        Parameters
        ----------
        which : tuple
            As `identity` returns it.
        read : callable
            Reads the study. Others who want it wait meanwhile.
        waiting : callable
            Called every now and then while someone else reads it. What it raises ends the
            wait.
        """
        while True:
            with self._change:
                study = self._studies.get(which)
                if study is not None:
                    return study
                if which not in self._in_work:
                    self._in_work.add(which)
                    break
            waiting()
            with self._change:
                self._change.wait_for(lambda: which not in self._in_work, LOOK_UP_S)
        try:
            study = read()
            with self._change:
                self._studies[which] = study
            return study
        finally:
            with self._change:
                self._in_work.discard(which)
                self._change.notify_all()
