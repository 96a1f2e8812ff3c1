"""Images that a command line names."""

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from crackdet.cli.progress import shown_progress
from crackdet.quiet import warnings_aside

if TYPE_CHECKING:
    from crackdet.data import CrackData


def load_images(arguments: Namespace, source: str, **options: Any) -> "CrackData":
    """Loads images with what every command takes, and `options` of `crackdet.load_data`."""
    from crackdet.data import load_data

    # What is amiss stands in the notes, which are printed.
    with warnings_aside(), shown_progress(arguments.verbose) as progress:
        return load_data(
            source,
            data_dir=arguments.data_dir,
            manual_dir=arguments.manual_dir,
            strict=arguments.strict,
            verbose=arguments.verbose,
            progress=progress,
            **options,
        )
