"""What a folder holds is deleted with it; what its links lead to is not."""

from pathlib import Path

from localcloud.deletion import delete_folder


def test_a_folder_goes_and_what_it_links_to_stays(tmp_path: Path) -> None:
    gone, kept = tmp_path / "gone", tmp_path / "kept"
    for folder in (gone / "a/b", kept):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    (gone / "a/to-a-folder").symlink_to(kept)
    (gone / "to-a-file").symlink_to(kept / "file")
    (gone / "to-nothing").symlink_to("nothing")

    delete_folder(gone)
    delete_folder(gone)

    assert not gone.exists()
    assert (kept / "file").read_text() == "x"
