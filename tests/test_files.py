"""Files with a checksum: taken as they were written, refused when a byte is another."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from flips import flipped

from salun_utils.files import (
    CHECKSUM,
    DamagedError,
    atomic_folder,
    checksum,
    load_checked,
    save_checked,
    sealed,
    text_sha256,
    unsealed,
)

CONTENT = {"name": "ä", "seconds": 0.1, "small": 1e-05, "list": [1, {"deep": None}], "no": False}
FORMS = [{}, {"indent": 2, "sort_keys": False, "ensure_ascii": False}]


def test_what_a_killed_process_left_is_no_hindrance_to_a_folder(tmp_path):
    (tmp_path / f".x.{os.getpid()}.part").mkdir()
    with atomic_folder(tmp_path / "x") as folder:
        assert next(tmp_path.glob(".x.*.part")).is_dir() and not (tmp_path / "x").exists()
        (folder / "a.txt").write_text("a")
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "x" / "a.txt").read_text() == "a"
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert [p.name for p in tmp_path.glob(".*")] == [f".x.{os.getpid()}.part"]


@pytest.mark.parametrize("form", FORMS)
def test_what_was_sealed_is_read_again(form):
    text = sealed(CONTENT, **form)
    assert unsealed(text.encode(), **form) == CONTENT
    assert json.loads(text)[CHECKSUM] == checksum(CONTENT)
    assert unsealed(text.replace("\n", "\r\n").encode(), **form) == CONTENT


@pytest.mark.parametrize("form", FORMS)
def test_no_turned_bit_is_believed(tmp_path, form):
    path = tmp_path / "sealed.json"
    path.write_text(sealed(CONTENT, **form))
    for _ in flipped(path, 400):
        with pytest.raises(DamagedError):
            unsealed(path.read_bytes(), **form)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b'"\\ud800"', "UTF-8"),
        (b"[1]", "no JSON object"),
        (b"{}", "no checksum"),
        (b'{"checksum": "0"}', "differs"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "too deep"),
        (b"[" * 100_000, "too deep"),
        (b'{"a": ' + b"1" * 10_000 + b"}", "not JSON"),
    ],
)
def test_other_text_is_refused(text, said):
    with pytest.raises(DamagedError, match=said):
        unsealed(text)


def test_the_same_content_in_another_layout_is_not_what_was_written():
    text = sealed({"small": 1e-05})
    with pytest.raises(DamagedError, match="laid out"):
        unsealed(text.replace("1e-05", "1E-05").encode())
    with pytest.raises(DamagedError, match="laid out"):
        unsealed(json.dumps(json.loads(text)).encode())


def test_tensors_are_read_as_they_were_written_or_not_at_all(tmp_path):
    path = tmp_path / "t.pt"
    content = {"w": torch.arange(50.0), "step": 3, "rows": [1.5, 2.5]}
    save_checked(content, path)
    found = load_checked(path)
    assert torch.equal(found.pop("w"), content["w"]) and found == {"step": 3, "rows": [1.5, 2.5]}
    assert [p.name for p in tmp_path.iterdir()] == ["t.pt"]
    for _ in flipped(path):
        with pytest.raises(DamagedError):
            load_checked(path)
    for torn in (0, 10, 80, -1):
        whole = path.read_bytes()
        path.write_bytes(whole[:torn])
        with pytest.raises(DamagedError):
            load_checked(path)
        path.write_bytes(whole)
    with pytest.raises(DamagedError, match="No such file"):
        load_checked(tmp_path / "missing.pt")
    torch.save(content, path)
    with pytest.raises(DamagedError, match="no checksum"):
        load_checked(path)


def test_code_in_a_file_of_tensors_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "touched",)

    save_checked({"w": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(DamagedError, match="can't read"):
        load_checked(tmp_path / "evil.pt")
    assert not (tmp_path / "touched").exists()


def test_the_digest_of_a_text_is_the_same_with_either_ending_of_lines(tmp_path):
    for name, text in (("unix", b"a\nb\n"), ("windows", b"a\r\nb\r\n"), ("other", b"a\nc\n")):
        (tmp_path / name).write_bytes(text)
    unix, windows, other = (text_sha256(tmp_path / n) for n in ("unix", "windows", "other"))
    assert unix == windows != other
