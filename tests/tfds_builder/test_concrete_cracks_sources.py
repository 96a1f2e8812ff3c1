"""Reading images from folders and archives, and refusing what is not the data set."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tfds_builder.concrete_cracks import DataSourceError, prepare, sources
from tfds_builder.grouping import content_key

FolderWriter = Callable[[Path, dict[str, bytes]], Path]
RarWriter = Callable[[Path, Iterable[tuple[str, bytes]]], Path]
Members = dict[str, bytes]

BROKEN = "Positive/00003.jpg"


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def encoded(size: tuple[int, int] = (227, 227), mode: str = "RGB", kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 128 if mode == "L" else (120, 121, 122)).save(file, kind)
    return file.getvalue()


@pytest.fixture(params=["folder", "folder one level down", "zip", "zip one level down", "rar"])
def source(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    dummy_members: Members,
    write_folder: FolderWriter,
    write_rar: RarWriter,
) -> Path:
    """The same images in each form of source."""
    below = {f"data/{name}": content for name, content in dummy_members.items()}
    folder = tmp_path / "manual"
    folder.mkdir()
    if request.param == "folder":
        write_folder(folder, dummy_members)
    elif request.param == "folder one level down":
        write_folder(folder, below)
    elif request.param == "zip":
        write_zip(folder / "images.zip", dummy_members.items())
    elif request.param == "zip one level down":
        write_zip(folder / "images.zip", below.items())
    else:
        write_rar(folder / sources.ARCHIVE_NAME, dummy_members.items())
    found = sources.find_source(folder)
    assert found is not None
    return found


def test_every_source_gives_the_same_images(source: Path, dummy_members: Members) -> None:
    images = {image.filename: image for image in sources.read_images(source)}
    assert {name: image.jpeg for name, image in images.items()} == dummy_members
    for name, image in images.items():
        assert image.label == int(name.startswith("Positive"))
        assert image.key == content_key(image.jpeg)


def test_an_empty_or_absent_folder_is_no_source(tmp_path: Path) -> None:
    assert sources.find_source(tmp_path) is None
    assert sources.find_source(tmp_path / "nowhere") is None


def test_litter_and_readme_files_are_passed_over(tmp_path: Path, dummy_members: Members) -> None:
    litter = {
        "__MACOSX/Positive/._00001.jpg": b"resource fork",
        "Positive/.DS_Store": b"",
        "Positive/Thumbs.db": b"",
        "README.txt": b"Two folders of photographs.",
        "Positive/": b"",
    }
    path = write_zip(tmp_path / "a.zip", [*litter.items(), *dummy_members.items()])
    assert {image.filename for image in sources.read_images(path)} == set(dummy_members)


def test_the_official_archive_is_chosen_among_several(tmp_path: Path) -> None:
    for name in (sources.ARCHIVE_NAME, "other.zip", "another.rar"):
        (tmp_path / name).write_bytes(b"")
    assert sources.find_source(tmp_path) == tmp_path / sources.ARCHIVE_NAME


def test_several_archives_without_the_official_one_are_refused(tmp_path: Path) -> None:
    for name in ("other.zip", "another.rar"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataSourceError, match=r"several archives \(another.rar, other.zip\)"):
        sources.find_source(tmp_path)


@pytest.mark.parametrize("present", sources.CLASS_FOLDERS)
def test_a_missing_class_folder_is_named(tmp_path: Path, present: str) -> None:
    (tmp_path / present).mkdir()
    missing = {"Positive": "Negative", "Negative": "Positive"}[present]
    with pytest.raises(DataSourceError, match=f"no {missing}/"):
        sources.find_source(tmp_path)


BAD_IMAGES = {
    "empty": (b"", "is empty"),
    "not an image": (b"These are words.", "not a whole JPEG"),
    "only a header": (encoded()[:200], "not a whole JPEG"),
    "png in disguise": (encoded(kind="PNG"), "PNG of 227 x 227"),
    "grey": (encoded(mode="L"), "mode L"),
    "other size": (encoded(size=(256, 227)), "256 x 227"),
    "far too large": (encoded() + bytes(2**20), "far more than any image"),
}


@pytest.mark.parametrize("kind", ["folder", "zip", "rar"])
@pytest.mark.parametrize("bad", BAD_IMAGES)
def test_a_bad_image_is_named(
    kind: str,
    bad: str,
    tmp_path: Path,
    dummy_members: Members,
    write_folder: FolderWriter,
    write_rar: RarWriter,
) -> None:
    content, complaint = BAD_IMAGES[bad]
    members = dummy_members | {BROKEN: content}
    if kind == "folder":
        path = write_folder(tmp_path, members)
    elif kind == "zip":
        path = write_zip(tmp_path / "a.zip", members.items())
    else:
        path = write_rar(tmp_path / "a.rar", members.items())
    with pytest.raises(DataSourceError, match=complaint) as caught:
        list(sources.read_images(path))
    assert BROKEN in str(caught.value)
    assert "\n" not in str(caught.value)


JPEG = (Path(sources.__file__).with_name("dummy_data") / BROKEN).read_bytes()


@given(length=st.integers(0, len(JPEG) - 3))
def test_a_truncated_image_is_refused_wherever_it_ends(length: int) -> None:
    with pytest.raises(DataSourceError, match=r"is empty|is not a whole JPEG"):
        sources._check_jpeg("00003.jpg", JPEG[:length])


def test_a_file_that_is_not_an_image_is_named(
    tmp_path: Path, dummy_members: Members, write_folder: FolderWriter
) -> None:
    folder = write_folder(tmp_path, dummy_members | {"Negative/notes.txt": b"words"})
    with pytest.raises(DataSourceError, match=r"Negative/notes.txt is not a \.jpg file"):
        list(sources.read_images(folder))


def test_an_unreadable_image_is_named(
    tmp_path: Path,
    dummy_members: Members,
    write_folder: FolderWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = write_folder(tmp_path, dummy_members)

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataSourceError, match=r"Negative/00001.jpg cannot be read \(Permission"):
        list(sources.read_images(folder))


OUTSIDE = [
    "../Positive/00001.jpg",
    "/etc/Positive/00001.jpg",
    "Positive/../../00001.jpg",
    "C:\\Positive\\00001.jpg",
    "..\\Positive\\00001.jpg",
]


@pytest.mark.parametrize("kind", ["zip", "rar"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_paths_that_point_outside_are_refused(
    kind: str, name: str, tmp_path: Path, dummy_members: Members, write_rar: RarWriter
) -> None:
    members = [*dummy_members.items(), (name, encoded())]
    path = tmp_path / f"a.{kind}"
    write = write_zip if kind == "zip" else write_rar
    with pytest.raises(DataSourceError, match="points outside"):
        list(sources.read_images(write(path, members)))


def test_class_folders_in_two_places_are_refused(tmp_path: Path, dummy_members: Members) -> None:
    twice = {f"{top}/{name}": jpeg for top in "ab" for name, jpeg in dummy_members.items()}
    path = write_zip(tmp_path / "a.zip", twice.items())
    with pytest.raises(DataSourceError, match="more than one place"):
        list(sources.read_images(path))


@pytest.mark.parametrize("kind", ["zip", "rar"])
def test_a_cut_archive_is_refused(
    kind: str, tmp_path: Path, dummy_members: Members, write_rar: RarWriter
) -> None:
    write = write_zip if kind == "zip" else write_rar
    path = write(tmp_path / f"a.{kind}", dummy_members.items())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataSourceError, match="is broken or incomplete"):
        list(sources.read_images(path))


def test_a_damaged_member_is_refused(tmp_path: Path, dummy_members: Members) -> None:
    path = write_zip(tmp_path / "a.zip", dummy_members.items())
    content = bytearray(path.read_bytes())
    content[2000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataSourceError, match="is broken or incomplete"):
        list(sources.read_images(path))


def test_an_archive_within_an_archive_asks_to_be_unpacked(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "5y9wdsg2zt-2.zip", [(sources.ARCHIVE_NAME, b"Rar!")])
    with pytest.raises(DataSourceError, match="unpack the zip"):
        list(sources.read_images(path))


def test_a_wrong_count_is_refused(tmp_path: Path, small: None, dummy_members: Members) -> None:
    del dummy_members[BROKEN]
    path = write_zip(tmp_path / "a.zip", dummy_members.items())
    with pytest.raises(DataSourceError, match="15 images in Positive/ where the data set has 16"):
        sources.check_complete(path, sources.read_images(path))


def test_the_dummy_data_are_too_few_without_the_exception(dummy_members: Members) -> None:
    images = [sources.SourceImage(name, 0, b"", name) for name in dummy_members]
    with pytest.raises(DataSourceError, match=r"32 images in Negative/ where .* 20,000"):
        sources.check_complete(Path("a.zip"), images)


def test_one_picture_in_both_classes_is_refused(tmp_path: Path, dummy_members: Members) -> None:
    dummy_members["Positive/00001.jpg"] = dummy_members["Negative/00001.jpg"]
    path = write_zip(tmp_path / "a.zip", dummy_members.items())
    with pytest.raises(DataSourceError, match=r"Negative/00001.jpg and Positive/00001.jpg"):
        sources.check_complete(path, sources.read_images(path))


def test_without_the_package_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.rar"
    path.write_bytes(b"Rar!\x1a\x07\x00")
    monkeypatch.setitem(sys.modules, "libarchive", None)
    with pytest.raises(DataSourceError, match="run pip install libarchive-c"):
        list(sources.read_images(path))


def test_without_the_system_library_the_remedy_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.rar"
    path.write_bytes(b"Rar!\x1a\x07\x00")
    script = (
        "import sys; from pathlib import Path; from tfds_builder.concrete_cracks import sources\n"
        "try: list(sources.read_images(Path(sys.argv[1])))\n"
        "except sources.DataSourceError as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env={"LIBARCHIVE": str(tmp_path / "libarchive.so"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "apt install libarchive13" in result.stdout


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_bytes(b""), "is a file, not a folder"),
        (lambda path: path.mkdir(), "holds neither the folders"),
    ],
)
def test_a_wrong_manual_dir_is_refused_before_any_download(
    make: Callable[[Path], None], complaint: str, tmp_path: Path
) -> None:
    make(tmp_path / "manual")
    with pytest.raises(DataSourceError, match=complaint):
        prepare("grouped", data_dir=tmp_path / "data", manual_dir=tmp_path / "manual")
    assert not (tmp_path / "data").exists()
