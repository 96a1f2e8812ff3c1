"""`crackdet transfer`: a classifier on other sites, one row a site."""

import os
import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crackdet.cli import options as cli
from crackdet.cli import stages
from crackdet.cli.judging import add_threshold, add_unsure, classifier_of, load_for
from crackdet.cli.tables import aligned
from crackdet.keras_import import import_keras
from crackdet.progress import progress_bar
from crackdet.runs import files
from crackdet.runs.folder import check_out
from crackdet.runs.record import flag, spelled

if TYPE_CHECKING:
    from crackdet.data.site_list import SiteSource
    from crackdet.evaluation import Site
    from crackdet.inference import Classifier

# The image size is the model's own, and no split is cut.
_THRESHOLD = ("threshold", "recall", "false_alarm_rate")
LOADING = ("batch_size", *cli.GROUPS, "audit", *cli.LABELLING, "seed")


def add_parser(subparsers: Any) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "transfer",
        help="measure a classifier on other sites, beside untrained filters",
        description="Measures a classifier on the patches of several sites and prints one row a "
        "site: its AUROC with a 95% interval by photo beside that of the best of three filters "
        "that need no training, recall at 1 and 5% false alarms, and what its own threshold does. "
        "Nothing is fitted on the sites. Images that the model was trained or tuned on are left "
        "out.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", help=cli.MODEL_HELP)
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="a site each: a folder with one folder a class, or a data set",
    )
    group.add_argument(
        "--sites",
        metavar="FILE",
        help="a CSV of sites with the columns data and, where a site needs them, name, licence, "
        "positive, labels, group_by, groups; they count before the options of the same name",
    )
    cli.add_strict(group)
    cli.add_places(parser)
    add_threshold(parser)
    add_unsure(parser)
    parser.add_argument(
        "--include-seen",
        action="store_true",
        help="judges images too that the model was trained or tuned on",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="writes sites.csv, sites.json, predictions.csv and the page report.html here",
    )
    cli.add(parser, *LOADING, title="loading")
    cli.add(parser, "bootstrap", title="evaluation")
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> None:
    """Prints a row for each site, and writes them when asked to."""
    if not arguments.data and not arguments.sites:
        raise cli.UsageError("Name the sites with --data, or a list of them with --sites.")
    if arguments.out:
        check_out(Path(arguments.out), files.SITES, "sites")
    import_keras()
    from crackdet.evaluation.sites import mean_auroc, transfer
    from crackdet.report.site_words import brief, mean_sentence, verdict
    from crackdet.report.words import unsure_line

    classifier = classifier_of(arguments)
    options = cli.resolve(vars(arguments), "", ("bootstrap", "seed"))
    # All are loaded before the first is judged: what cannot be loaded is told at once.
    sites = [_load(arguments, source, classifier) for source in _sources(arguments)]
    results = []
    for site in sites:
        with progress_bar(
            f"Judging {site.name}", site.images.num_images, visible=bool(arguments.verbose)
        ) as advance:
            (found,) = transfer(
                classifier.model,
                [site],
                threshold=classifier.threshold,
                detector=classifier.detector,
                advance=advance,
                **options,
            )
        results.append(found)
        stages.say(f"{site.name}: {verdict(found.row)}")
        if site.notes:
            stages.say(site.notes)
    rows = [found.row for found in results]
    print(aligned(*brief(rows)))
    if (mean := mean_auroc(rows)) is not None and len(rows) > 1:
        print(mean_sentence(*mean))
    print(f"threshold {classifier.threshold:.4f} ({classifier.threshold_from})")
    for row in rows:
        if "unsure" in row:
            print(f"{row['site']}: unsure of {unsure_line(row['unsure'])}")
    if arguments.out:
        _write(arguments, results, classifier)
    stages.say(f"Next: crackdet adapt {arguments.model} --data SITE --out DIR")


def _sources(arguments: Namespace) -> list["SiteSource"]:
    from crackdet.data.site_list import SiteSource, name_of, read_site_list

    sources = [SiteSource(name_of(data), data) for data in arguments.data]
    if arguments.sites:
        sources += read_site_list(arguments.sites)
    names = [source.name for source in sources]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise cli.UsageError(
            f"Two sites are called {twice[0]!r}: name them in a list, in its column name."
        )
    return sources


def _load(arguments: Namespace, source: "SiteSource", classifier: "Classifier") -> "Site":
    """Loads the patches of a site that the model has not met."""
    from crackdet.evaluation import Site, choose_images
    from crackdet.models import known_images

    options = cli.resolve({**vars(arguments), **source.options}, source.data, LOADING)
    if not os.path.isdir(source.data):  # a data set has its own labels
        options |= {name: source.options.get(name) for name in cli.LABELLING}
    data = load_for(classifier, arguments, source.data, options)
    known, seen = known_images(arguments.model), arguments.include_seen
    chosen = choose_images(data, known, include_seen=seen)
    notes = "\n".join(filter(None, (chosen.reason, data.classes, data.notes)))
    return Site(source.name, chosen.images, source.licence, notes)


def _command(arguments: Namespace) -> str:
    """Returns the command that gives the same figures again."""
    given = vars(arguments)
    words = ["crackdet", "transfer", str(arguments.model)]
    words += ["--data", *arguments.data] if arguments.data else []
    for name in ("sites", *_THRESHOLD, "data_dir", "manual_dir", *LOADING, "bootstrap", "out"):
        if given.get(name) is not None:
            words += [flag(name), spelled(given[name])]
    words += [] if given["unsure"] else ["--unsure", "no"]
    words += [flag(name) for name in ("strict", "include_seen") if given[name]]
    return shlex.join(words)


def _write(arguments: Namespace, results: Sequence[Any], classifier: "Classifier") -> None:
    from crackdet.evaluation.sites import write_sites
    from crackdet.report import write_sites_report
    from crackdet.runs.record import versions

    folder = Path(arguments.out)
    about = {
        "model": str(arguments.model),
        "limits": classifier.limits,
        "threshold": classifier.threshold,
        "threshold_from": classifier.threshold_from,
        "command": _command(arguments),
        "versions": versions(),
    }
    write_sites(folder, results, about)
    print(f"Sites: {folder / files.SITES_TABLE}")
    print(f"Report: {write_sites_report(folder)}")
