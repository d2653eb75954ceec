"""Names inside archives, as different programs write them."""

import io
from zipfile import ZipFile, ZipInfo

import pytest

from ingest.bundles import expand_bundle, list_left_out
from ingest.formats import ZIP


def make_archive(*names: bytes) -> bytes:
    """Return an archive whose members have these bytes as names, and do not say what they mean."""
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        # As long as the name is, so that it can take its place.
        stand_ins = [f"{n:02d}".ljust(len(name), "_") for n, name in enumerate(names)]
        for stand_in in stand_ins:
            archive.writestr(ZipInfo(stand_in), "tea")
    data = file.getvalue()
    for stand_in, name in zip(stand_ins, names, strict=True):
        data = data.replace(stand_in.encode(), name)
    return data


def read_names(*names: bytes) -> list[str]:
    members = (
        expand_bundle("a.zip", ZIP, make_archive(*names), max_bytes=2**20, max_members=1000) or []
    )
    return [member.id.removeprefix("a.zip/") for member in members]


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp932", "取扱説明書/保証.md"),
        ("cp932", "ポンプの使い方.md"),
        ("cp932", "機能.md"),
        ("gbk", "用户手册.txt"),
        ("gbk", "价格表.txt"),
        ("cp949", "사용설명서.txt"),
        ("big5", "使用手冊.txt"),
        ("cp866", "Руководство.txt"),
        ("cp1251", "Гарантия.txt"),
        ("cp437", "Größe und Café.md"),
        ("utf-8", "Größe.md"),
    ],
)
def test_names_are_read_in_the_code_page_that_they_were_written_in(
    encoding: str, name: str
) -> None:
    assert read_names(name.encode(encoding)) == [name]


def test_decomposed_letters_of_macos_are_composed() -> None:
    assert read_names("Gro\u0308ße.md".encode()) == ["Größe.md"]


def test_one_code_page_is_found_for_all_names_of_an_archive() -> None:
    names = ["料.md", "ポンプの使い方.md"]
    assert read_names(*(name.encode("cp932") for name in names)) == names


def test_names_are_parted_by_slashes_whatever_the_archive_has() -> None:
    names = (rb"manual\pumps.md", b"manual\\", "Gr\u00f6\u00dfe\\a.md".encode())
    assert read_names(*names) == ["manual/pumps.md", "Gr\u00f6\u00dfe/a.md"]


def test_what_no_author_wrote_is_left_out_and_named() -> None:
    others = ["Thumbs.db", ".DS_Store", "__MACOSX/._a.md", "b/~$plan.docx", "desktop.ini"]
    archive = make_archive(b"a.md", *(name.encode() for name in others))
    members = expand_bundle("a.zip", ZIP, archive, max_bytes=2**20, max_members=1000) or []
    assert [member.id for member in members] == ["a.zip/a.md"]
    assert list_left_out(ZIP, archive, max_members=1000) == others
