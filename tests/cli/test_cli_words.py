"""Every way to say something wrong on the command line that was thought of: status 2, one line,
nothing written, and before any kernel starts.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from salun_utils import cli
from salun_utils.errors import InputError
from salun_utils.runner.parameters import check_parameters, parse_value

ROOT = Path(__file__).parents[2]
RUN = str(ROOT / "notebooks" / "00_run.ipynb")
SWEEP = str(ROOT / "notebooks" / "00_sweep.ipynb")
ERASE = str(ROOT / "notebooks" / "00_erase.ipynb")

NO_NUMBERS = ["1,5e-3", "1,5", "one", "yes", "on", "1e", "e3", "--1", "1 2", "1_0x", "true", "½"]
NO_WHOLE = ["1.5", "1e-3", "two", "true", "false", "1,0", "0x", "nan", ".inf", "-inf", "1e400"]
NO_SEED = ["-1", "1.5", "one", "true", "nan", "9223372036854775808", "1e3", "1,2"]
NO_FRACTION = ["0", "1", "-0.1", "1.5", "nan", ".inf", "half", "1,5", "true", "1e9"]
NOT_POSITIVE = ["0", "-1", "-0.5", "nan", "inf"]
NO_NAME = ["", "None", "null", "~", "salun utils", "-", "../x", "☃"]

ONE_PARAMETER = {
    "seed": NO_SEED,
    "split_seed": NO_SEED,
    "training_seed": NO_SEED,
    "forget_fraction": [*NO_FRACTION, "None"],
    "keep": ["-0.1", "1.1", "nan", "inf", "half", "0,5", "true", "None"],
    "epochs": ["0", "-1", *NO_WHOLE],
    "lr": ["-1", "nan", "inf", *NO_NUMBERS],
    "train_epochs": ["0", "-1", *NO_WHOLE, "None"],
    "train_lr": [*NOT_POSITIVE, *NO_NUMBERS, "None"],
    "train_batch_size": ["0", "-1", *NO_WHOLE, "None"],
    "train_images": ["0", "-1", "1.5", "some", "true", "nan"],
    "width": [*NOT_POSITIVE, *NO_NUMBERS, "None"],
    "tier": ["gpu", "Quick", *NO_NAME],
    "arch": ["small-cn", "resnet", *NO_NAME],
    "scenario": ["randm", "Class", *NO_NAME],
    "method": ["salum", "SalUn", *NO_NAME],
    "mask": ["salienci", "True", "0.5", ""],
    "protocol": ["joint", *NO_NAME],
    "train_schedule": ["cosin", "one_cycle", *NO_NAME],
    "augment": ["flp", "crop flip", "maybe", "0.5"],
    "device": ["cuda:99", "gpu", "cpu:x", "☃", "cuda:-1", "", "meta", "cpu:7", "xla", "mps:9",
               "CPU"],
    "forget_class": ["10", "-1", "zebra", "1.5", "true", "☃"],
    "dataset": ["fashion-mimi", "/no/such/folder", "./none", "☃", "", "None", "[]"],
    "params": ["{alpha", "[1]", "1", '"x"', '{"alfa": 1}', '{"alpha": [1]}', '{"alpha": "x"}',
               '{"alpha": NaN}', '{"epochs": 0}', '{"epochs": 1.5}', '{"lr": -1}', '{"lr": "x"}',
               '{"batch_size": 0}', '{"precision": "fp8"}', '{"augment": "x"}', "[" * 5000,
               '{"momentum": "much"}', '{"weight_decay": -1}', '{"a":' * 3000,
               '{"alpha": 1, "alpha": 2}', "{'alpha': 1}", "alpha=1", '{"alpha": true}',
               '{"lr": 1e999}', '{"": 1}'],
    "indices": ["rows.txt", "/no/such/file", "1 2 3"],
    "methd": ["salun"],
    "Seed": ["1"],
    "": ["1"],
}  # fmt: skip
LINES = [
    *[["run", RUN, "-p", name, value] for name, some in ONE_PARAMETER.items() for value in some],
    *[["run", SWEEP, "-p", "sweep", s] for s in ("", "x", "[]", "1", "[" * 9000, '{"seed": [1]}')],
    *[["run", SWEEP, "-p", "sweep", s] for s in ('{"keep": []}', '{"keep": [2]}', '{"kep": [1]}')],
    ["run", SWEEP, "-p", "sweep", '{"keep": [0.1], "keep": [0.5]}'],
    *[["run", ERASE, "-p", "eraser", e] for e in ("salum", "", "esd")],
    *[["run", str(ROOT / "notebooks" / f"00_{notebook}.ipynb"), "-p", name, value]
      for notebook, name, values in (  # nothing where a value is needed, in every kind of run
        ("erase", "model", ["None", "", "..", "/", "../x", "nowhere"]),
        ("erase", "judge", ["None", "~", ""]), ("erase", "guidance", ["true", "None of it"]),
        ("erase", "data", ["", "None"]), ("erase", "per_class", ["None", "true"]),
        ("relearning", "looks", ["None", "[]", "[1, 1]"]), ("relearning", "lessons", ["None"]),
        ("relearning", "teach_lr", ["None", "true"]), ("relearning", "teach_batch", ["None"]),
        ("probes", "probes", ["None", "[]", '["wort"]']), ("probes", "search_steps", ["None"]),
        ("audit", "models", ["None", "7"]), ("audit", "targets", ["None"]),
        ("influence", "noise", ["None"]), ("influence", "judged", ["None", "true"]),
        ("traces", "counts", ["None", "[]"]), ("traces", "bits", ["None", "[1.5]"]),
        ("anatomy", "networks", ["None", "{}", '[{"arch": "vgg11_bn", "arch": "resnet18"}]']),
        ("anatomy", "forget_class", ["", "zebra", "yes"]), ("sweep", "sweep", ["None"]),
      ) for value in values],
    ["run"], ["run", "nowhere.ipynb"], ["run", str(ROOT / "README.md")], ["run", str(ROOT)],
    ["run", RUN, "-p"], ["run", RUN, "-p", "seed"],
    ["run", RUN, "-p", "seed", "1", "-p", "seed", "1"],
    ["run", RUN, "--seed", "1"], ["run", RUN, "extra"], ["rum"], ["Run", RUN],
    ["run", RUN, "-p", "method", "retrain", "-p", "mask", "random"],
    ["run", RUN, "-p", "scenario", "indices"],
    ["run", RUN, "-p", "scenario", "indices", "-p", "indices", ""],
    *[["grid", "GRID", "--cores", n] for n in ("0", "-1", "1.5", "two", "nan")],
    *[["grid", "GRID", "--minutes", n] for n in ("0", "-1", "nan", "soon")],
    ["grid", "GRID", "--tier", "gpu"], ["grid"], ["grid", "nowhere.yaml"], ["grid", str(ROOT)],
    *[["tune", "-p", "dataset", "digits", "--trials", n] for n in ("0", "-1", "nan", "1.5", "x")],
    *[["tune", "-p", "dataset", "digits", "--minutes", n] for n in ("0", "-1", "nan", "x")],
    *[["tune", "-p", "dataset", "digits", "--pilot-seeds", s]
      for s in ("", ",", "1,1", "-1", "x", "1.5", "nan", "1,,2")],
    *[["tune", "-p", "dataset", "digits", "--methods", m]
      for m in ("", ",", "ft,ft", "fft", "ft,", "salun ft")],
    ["tune", "-p", "methd", "x"], ["tune", "-p", "seed", "1", "-p", "seed", "2"],
    *[["tune", "-p", "dataset", "digits", "--methods", "ft", "-p", n, v] for n, v in (
        ("method", "ft"), ("seed", "1"), ("split_seed", "1"), ("training_seed", "1"),
        ("lr", "abc"), ("lr", "-1"), ("lr", "0.1,x"), ("epochs", "0"), ("epochs", "1,0"),
        ("epochs", "1,x"), ("lr_schedule", "wrong"), ("lr_schedule", "cosine,wrong"))],
    ["tune", "-p", "dataset", "digits", "--methods", "rl", "-p", "alpha", "1,yes"],
    ["tune", "-p", "dataset", "digits", "--methods", "original,retrain"],
    ["tune", "-p", "model", "mini-sd", "-p", "concept", "sneaker", "-p", "eraser", "uce"],
    ["tune", "-p", "model", "mini-sd"], ["tune", "-p", "model", "mini-sd", "-p", "concpt", "x"],
    *[["erase", "mini-sd", "--concept", "sneaker", "--out", "out", *more] for more in (
        ["--out", ""], ["--steps", "1001"], ["--steps", "0"], ["--guidance", "nan"],
        ["--device", "meta"], ["-p", "lr", "None"], ["-p", "lr", "yes"], ["-p", "steps", "1,5"],
        ["-p", "sample_steps", "2000"], ["--keep", "sneaker"], ["--template", "a photo"],
        ["--clip", "/no/such/folder"], ["--judge", "nobody"], ["--method", "retrain"])],
    ["doctor", "/no/such/folder"], ["doctor", ""], ["doctor", "--label-column", "x"],
    ["doctor", str(ROOT / "README.md")], ["canaries", "nothing"], ["new", "thing", "x"],
    ["run", "--record", "/no/such/file.json"], ["run", RUN, "--record", "x"],
    *[["table", "--records", f] for f in ("/no/such/folder", "", "☃")],
    *[["table", "--export", f] for f in ("x", "x.xlsx", "x.json", ".csv.")],
    *[["table", f"--{name}", ""] for name in ("tier", "method", "mask", "export")],
    ["canaries", "--update", ""], *[["new", "method", n] for n in ("null", "nan", "yes", "class")],
    *[["grid", "GRID", "--list", *more] for more in (
        ["--executor", "yes"], ["--executor", ""], ["--profile", "../x"], ["--profile", ""],
        ["--profile", "x" * 5000], ["--job-minutes", "3"], ["--job-minutes", "inf"],
        ["--executor", "slurm", "--cores", "3"], ["--profile", "slurm", "--cores", "3"],
        ["--out", "~nobody-of-this-name/x"])],
    *[["run", RUN, f"--{what}-out", f] for what in ("record", "notebook")
      for f in ("", " ", "a\nb", str(ROOT), str(ROOT / "README.md" / "x"), "~nobody-here/x")],
    *[["run", RUN, "-p", "dataset", "digits", "-p", "scenario", "indices", "-p", "indices", f]
      for f in ("rows.txt", "..", "a;b", "x" * 300, str(ROOT / "README.md"))],
    ["run", RUN, "--out", "~nobody-of-this-name/x"],
    ["run", "n" * 5000 + ".ipynb"], ["grid", "n" * 5000 + ".yaml"], ["grid", "GRID", "--here",
     "--cores", "2"], ["grid", "GRID", "--snakemake", "--no-such-option"],
    ["table", "--teir", "cpu"], ["table", "extra"], ["doctr"], ["--version-"],
]  # fmt: skip


@pytest.fixture(scope="module")
def grid_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("grid") / "g.yaml"
    path.write_text(
        f"notebook: {RUN}\nfixed: {{dataset: digits, method: ft}}\nproduct: {{seed: [1]}}\n"
    )
    return path


@pytest.mark.parametrize("folder", ["", " ", "a\nb", "file", "file/below"])
@pytest.mark.parametrize(
    "words",
    [
        ["run", RUN],
        ["grid", "GRID"],
        ["tune", "-p", "dataset", "digits", "--methods", "ft"],
        ["erase", "mini-sd", "--concept", "sneaker"],
    ],
    ids=lambda w: w[0],
)
def test_a_folder_that_cant_be_is_named_before_any_work(
    capsys, tmp_path, monkeypatch, grid_file, words, folder
):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    words = [str(grid_file) if w == "GRID" else w for w in words]
    status, lines = said(capsys, [*words, "--out", folder])
    assert status == 2 and len(lines) == 1 and ("--out" in lines[0] or "folder" in lines[0])
    assert [p.name for p in tmp_path.rglob("*")] == ["file"]


def said(capsys, words: list[str]) -> tuple[int, list[str]]:
    try:
        status = cli.main(words)
    except SystemExit as stop:
        status = stop.code
    return status, capsys.readouterr().err.strip().splitlines()


def test_there_are_at_least_300_command_lines():
    assert len({tuple(line) for line in LINES}) >= 300


@pytest.mark.parametrize("words", LINES, ids=lambda w: " ".join(w)[-60:])
def test_bad_words_end_with_status_2_and_one_line(capsys, tmp_path, monkeypatch, grid_file, words):
    import papermill

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(papermill, "execute_notebook", None)  # no kernel is started
    words = [str(grid_file) if w == "GRID" else w for w in words]
    takes_out = words[0] in ("run", "grid", "tune") and "--out" not in words
    status, lines = said(capsys, [*words, *(["--out", str(tmp_path / "out")] * takes_out)])
    assert status == 2 and len(lines) == 1, lines
    assert len(lines[0]) < 1200 and "Traceback" not in lines[0]
    assert [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock"] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("None", None), ("null", None), ("~", None), ("", ""), ("none", "none"),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("true", True), ("False", False),
        ("010", "010"), ("0", 0), ("-7", -7), ("1e-3", 0.001), ("1E5", 1e5), (".5", 0.5),
        ("1.", 1.0),
        ("1,5", "1,5"), ("1:30", "1:30"), ("2024-01-01", "2024-01-01"), ("0x10", "0x10"),
        ("1_000", "1_000"), ("'2'", "2"), ('"true"', "true"), ("{}", "{}"), ("[1]", "[1]"),
    ],
)  # fmt: skip
def test_a_word_means_what_it_looks_like(text, value):
    read = parse_value(text)
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "taken"),
    [
        ("data_note", "yes", "yes"), ("data_note", "true", "true"), ("data_note", "", ""),
        ("data_note", "12", "12"), ("train_epochs", "010", 10), ("train_lr", "1e-3", 0.001),
        ("train_lr", "1", 1.0), ("epochs", "None", None), ("lr", "null", None),
        ("mask", "none", "none"),
        ("seed", "'3'", 3), ("forget_class", "'3'", "3"), ("augment", "crop", "crop"),
    ],
)  # fmt: skip
def test_a_parameter_takes_a_word_as_its_own_type(name, text, taken):
    effective = check_parameters(Path(RUN), {name: parse_value(text)})
    assert effective[name] == taken and type(effective[name]) is type(taken)


def test_a_boolean_parameter_takes_yes_and_no(tmp_path):
    import nbformat

    cell = nbformat.v4.new_code_cell("flag = True", metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "n.ipynb")
    taken = [
        check_parameters(tmp_path / "n.ipynb", {"flag": parse_value(word)})["flag"]
        for word in ("yes", "No", "on", "off", "true")
    ]
    assert taken == [True, False, True, False, True]
    with pytest.raises(InputError, match="must be true or false"):
        check_parameters(tmp_path / "n.ipynb", {"flag": parse_value("maybe")})


def test_old_module_names_are_the_new_modules():
    import salun_utils.generation.pipelines as old
    import salun_utils.influence.deciles as old_part

    from salun_utils.generation.models import pipelines as new
    from salun_utils.studies.influence import deciles as new_part

    assert old is new and old_part is new_part
