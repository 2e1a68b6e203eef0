"""What can go wrong, as a tree.

::

    GazeheatError              everything the core raises on purpose
    ├── SourceError            a ZIP, folder or file that cannot be read at all
    │   └── LimitError         it can be read, but is larger than we accept
    ├── ExportError            the files are readable, but are not an export we know
    │   ├── UnmappedError      gaze of a scene camera or a face: another enrichment is needed
    │   └── ColumnsError       a table without the columns it needs
    ├── PictureError           a reference image that cannot be used
    │   └── PictureMissingError    there is none, and one is needed
    ├── SettingError           a setting or a selection outside its range
    └── ClusterError           workers that cannot be reached, or that were lost

Every message is written for the person who brought the file: it names the file,
says what was found, and says what to do. The page and the command line show it
as it is.
"""


class GazeheatError(Exception):
    """Root of all errors the core raises on purpose; its text is for the user."""


class SourceError(GazeheatError):
    """A ZIP, a folder or a file that cannot be read."""


class LimitError(SourceError):
    """Larger, longer or more numerous than the limits on input allow."""


class ExportError(GazeheatError):
    """Files that can be read, but do not make an export we know."""


class UnmappedError(ExportError):
    """An export whose gaze is not mapped to a reference image or a surface."""


class ColumnsError(ExportError):
    """A table that lacks columns it needs."""


class PictureError(GazeheatError):
    """A reference image that cannot be used."""


class PictureMissingError(PictureError):
    """No reference image, and no size given in its place."""


class ClusterError(GazeheatError):
    """Workers, on this machine or on others, that cannot be reached or were lost."""


class SettingError(GazeheatError):
    """A setting, or a selection of recordings, that makes no sense."""
