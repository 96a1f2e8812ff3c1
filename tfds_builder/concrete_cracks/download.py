"""The user's copy of the images where there is one, else the download."""

import socket
import urllib.parse
import urllib.request
from pathlib import Path

import tensorflow_datasets as tfds

from tfds_builder.concrete_cracks import disk, sources
from tfds_builder.concrete_cracks.errors import DataSourceError

_PATIENCE = 10  # Seconds until a server that does not answer counts as out of reach.


def get_source(dl_manager: tfds.download.DownloadManager) -> Path:
    """Returns what stands in `manual_dir`, else the downloaded archive, checked by its checksum.

    Raises:
        DataSourceError: If there is neither; the sentence says where to get the archive and where
            to put it.
    """
    try:
        manual_dir = Path(dl_manager.manual_dir)
    except AssertionError:  # TFDS's way of saying that the folder is missing or empty.
        manual_dir = Path(dl_manager.download_dir) / "manual"
    source = sources.find_source(manual_dir)
    if source:
        return source
    try:
        _check_reachable(sources.URL)
        return Path(dl_manager.download(sources.URL))
    except Exception as error:  # Of many libraries: requests, promise, TFDS, the system.
        if disk.is_full(error):
            raise
        reason = str(error).split("\n")[0] or type(error).__name__
        raise DataSourceError(
            f"The images could not be downloaded ({reason}): get {sources.ARCHIVE_NAME!r} from "
            f"{sources.HOMEPAGE} with a browser and put it in {manual_dir}, or give the folder it "
            "stands in as manual_dir."
        ) from error


def _check_reachable(url: str) -> None:
    """Raises OSError at once where TFDS would try again for minutes: without the internet.

    Behind a proxy only the proxy can tell, so nothing is checked there.
    """
    address = urllib.parse.urlsplit(url)
    if address.scheme not in urllib.request.getproxies():
        socket.create_connection((address.hostname, 443), timeout=_PATIENCE).close()
