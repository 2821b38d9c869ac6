"""The store as people meet it: import with a Modelfile, rm, gc, doctor."""
import json
import os
import shutil
import sqlite3

import tiny_model


def blobs(cli):
    return sorted((cli.home / "models/blobs").iterdir(), key=lambda p: p.stat().st_size)


def imported(cli, name="one:1", *more):
    path = cli.model(name=name.split(":")[0])
    cli.ok("import", "--copy", path, name, *more)
    return path


def test_doctor_never_says_that_all_is_well_when_it_is_not(cli):
    imported(cli)
    assert "ok    store         1 model, all files there and whole" in cli.ok("doctor")
    assert "1 model, all files read and compared" in cli.ok("doctor", "--verify")
    big, kept = blobs(cli)[-1], cli.folder / "kept"
    shutil.copy2(big, kept)
    for how in ("cut", "gone", "folder", "other bytes"):
        big.unlink()
        if how == "cut":
            big.write_bytes(kept.read_bytes()[:1000])
        if how == "folder":
            big.mkdir()
        if how == "other bytes":
            big.write_bytes(kept.read_bytes()[:-1] + b"\xff")
        done = cli("doctor", "--verify")
        assert done.returncode != 0 and "something is wrong" in done.stdout and "model 'one:1'" in done.stdout, how
        if how != "other bytes":
            done = cli("doctor")
            assert done.returncode != 0 and "something is wrong" in done.stdout, how
        big.rmdir() if how == "folder" else how == "gone" or big.unlink()
        shutil.copy2(kept, big)
    assert json.loads(cli.ok("doctor", "--json"))


def test_doctor_names_links_to_nowhere_and_manifests_that_make_no_model(cli):
    imported(cli)
    big = blobs(cli)[-1]
    kept = big.rename(cli.folder / "kept")
    big.symlink_to("/nowhere")
    done = cli("doctor")
    assert done.returncode != 0 and "is a link to what is not there any more; import or pull the model again" in done.stdout
    big.unlink()
    kept.rename(big)
    (manifest,) = [p for p in (cli.home / "models/manifests").rglob("*") if p.is_file()]
    good = manifest.read_text()
    manifest.write_text(json.dumps({**json.loads(good), "layers": []}))
    done = cli("doctor")
    assert "all is well" not in done.stdout and "has no GGUF weights" in done.stdout, done.stdout
    manifest.write_text(good[:100])
    done = cli("doctor")
    assert done.returncode != 0 and "import or pull the model again, or remove it" in done.stdout
    assert cli("rm", "one:1").returncode == 0 and cli.ok("list", "-q") == ""


def test_show_warns_of_a_file_that_is_another_one_now(cli):
    path = cli.model(name="one")
    cli.ok("import", path, "one:1")
    assert cli("show", "one:1").stderr == ""
    with open(path, "r+b") as f:  # linked
        f.seek(-1, 2)
        f.write(b"\xff")
    os.utime(path, (1, 1))
    assert "warning: model 'one:1': blob '" in cli("show", "one:1").stderr
    assert "was touched" in cli("doctor").stdout and "all is well" not in cli("doctor").stdout


def test_doctor_says_when_the_database_had_to_be_healed(cli):
    imported(cli)
    with sqlite3.connect(cli.home / "hyperlama.db") as db:
        db.execute("DROP TABLE usage")
    done = cli("doctor")
    assert "all is well" not in done.stdout and "1 warning while it was opened and read" in done.stdout
    assert "all is well" in cli.ok("doctor") or "usable" in cli.ok("doctor")  # healed


def test_rm_frees_what_was_imported_after_the_index_was_lost(cli):
    imported(cli)
    for name in ("hyperlama.db", "hyperlama.db-wal", "hyperlama.db-shm", "models/.hyperlama"):
        (cli.home / name).unlink(missing_ok=True)
    done = cli("rm", "one:1")
    assert done.returncode == 0 and "(0 B freed)" not in done.stdout and "note:" not in done.stderr
    assert blobs(cli) == []


def test_gc_says_what_goes_and_why(cli):
    imported(cli, "one:1")
    imported(cli, "two:2")
    (cli.home / "models/manifests/registry.ollama.ai/library/one/1").unlink()
    theirs = cli.home / ("models/blobs/sha256-" + 64 * "7")
    theirs.write_bytes(b"theirs")
    n = len(blobs(cli))
    dry = cli("gc", "--dry-run")
    assert dry.stdout.count("would go") == 2 and dry.stdout.count("(no model uses it)") == 2
    assert "2 files would be deleted" in dry.stdout and "1 file (6 B) stays" in dry.stderr
    assert len(blobs(cli)) == n
    rows = json.loads(cli.ok("gc", "--json"))
    assert sorted(r["kept"] for r in rows) == [False, False, True]
    assert len(blobs(cli)) == n - 2 and theirs.exists()
    assert "0 files deleted" in cli.ok("gc", "--all") and theirs.exists()  # it is new
    assert cli.ok("run", "two:2", "hi")


def test_gc_without_a_store_makes_none(cli):
    assert "0 files deleted, 0 B freed" in cli.ok("gc")
    assert not (cli.home / "models").exists()


def test_a_modelfile_s_paths_are_its_own(cli):
    path = cli.model()
    folder = cli.folder / "elsewhere"
    folder.mkdir()
    shutil.copy(path, folder / "draft.gguf")
    (folder / "Modelfile").write_text("FROM ./tiny.gguf\nDRAFT draft.gguf\nRENDERER r\nPARSER p\nREQUIRES 0.9.1\n")
    cli.ok("import", path, "m", "-f", folder / "Modelfile")
    text = cli.ok("show", "m", "--modelfile")
    for line in ("RENDERER r\n", "PARSER p\n", "REQUIRES 0.9.1\n"):
        assert line in text
    assert "\nDRAFT " in text
    for what in ("ADAPTER", "DRAFT", "FROM"):
        (folder / "Modelfile").write_text(f"FROM x\n{what} ./not-there.gguf\n")
        done = cli("import", path, "n", "-f", folder / "Modelfile")
        assert done.returncode == 7 and f"{what}: '{folder}/not-there.gguf': No such file or directory" in done.stderr
    (folder / "Modelfile").write_text("FROM x\nADAPTER draft.gguf\n")
    done = cli("import", path, "n", "-f", folder / "Modelfile")
    assert done.returncode != 0 and "of type 'model', expected 'adapter'" in done.stderr
    (folder / "Modelfile").write_text("FROM x\nADAPTER ~/draft.gguf\n")
    done = cli("import", path, "n", "-f", folder / "Modelfile", env={"HOME": "/nowhere"})
    assert "'/nowhere/draft.gguf'" in done.stderr
    assert os.listdir(cli.home / "models/manifests/registry.ollama.ai/library") == ["m"]


def test_a_stored_draft_guesses_and_a_stored_adapter_is_not_passed_over(cli):
    path = cli.model(name="one")
    draft = cli.model(name="draft")
    (cli.folder / "Modelfile").write_text(f"FROM x\nDRAFT {draft}\n")
    cli.ok("import", path, "with-draft", "-f", "Modelfile")
    done = cli("run", "with-draft", "hi", "-o", "temperature=0")
    assert done.returncode == 0 and done.stderr == "" and done.stdout == cli.ok("run", path, "hi", "-o", "temperature=0")
    draft.write_bytes(b"GGUF")  # linked: what is stored is broken now
    done = cli("run", "with-draft", "hi", "-o", "temperature=0")
    assert done.returncode != 0 and "changed since it was imported" in done.stderr

    tiny_model.make(cli.folder / "lora.gguf", ["x"], other_keys={"general.type": (tiny_model.STRING, "adapter")})
    (cli.folder / "Modelfile").write_text("FROM x\nADAPTER lora.gguf\n")  # says that it is one, and is none
    cli.ok("import", path, "with-adapter", "-f", "Modelfile")
    done = cli("run", "with-adapter", "hi")
    assert done.returncode == 5 and "key 'adapter.type' is missing, expected 'lora'" in done.stderr


def test_a_modelfile_that_names_another_file_is_said(cli):
    path, other = cli.model(name="one"), cli.model(name="other")
    for line, is_said in ((f"FROM {path}", False), ("FROM one.gguf", False), ("FROM ./one.gguf", False), (f"FROM {other}", True), ("FROM llama3.2", True)):
        (cli.folder / "Modelfile").write_text(f"{line}\nSYSTEM be brief\n")
        said = cli("import", path, "m", "-f", "Modelfile").stderr
        assert (f"note: {line} in 'Modelfile' is not looked at: the model is '{path}', as the command line says" in said) == is_said, said
    assert "not looked at" not in cli("import", path, "m", "-f", "Modelfile", "--quiet").stderr
    assert cli.ok("run", "m", "-o", "temperature=0", "hi") == cli.ok("run", path, "-o", "temperature=0", "hi")


def test_what_cannot_run_is_said_at_import_and_in_show(cli):
    path = cli.model(other_keys={"general.architecture": (tiny_model.STRING, "nobodys")})
    done = cli("import", path, "phi")
    assert done.returncode == 0 and "architecture 'nobodys' is not supported" in done.stderr
    for target in ("phi", path):
        done = cli("show", target)
        assert done.returncode == 0 and "warning: it cannot run in this build: " in done.stderr, target
        assert "architecture         nobodys" in done.stdout
        assert json.loads(cli.ok("show", target, "--json"))["can_run"] is False
    cli.ok("import", cli.model(), "tiny")
    assert json.loads(cli.ok("show", "tiny", "--json"))["can_run"] is True
    assert cli("show", "tiny").stderr == ""


def test_a_file_has_one_quantization_everywhere(cli):
    path = cli.model(other_keys={"general.file_type": (tiny_model.U32, 15)})  # says Q4_K_M, whatever its bytes are
    assert "Q4_K_M" in cli.ok("import", path, "tiny")
    assert json.loads(cli.ok("show", "tiny", "--json"))["model"]["quantization"] == "Q4_K_M"
    assert json.loads(cli.ok("show", path, "--json"))["model"]["quantization"] == "Q4_K_M"
    path = cli.model(name="plain")
    one = json.loads(cli.ok("show", path, "--json"))["model"]["quantization"]
    assert f", {one}, " in cli.ok("import", path, "plain") and one == one.upper()


def test_messages_name_a_file_once_and_why(cli):
    bad = cli.folder / "bad.gguf"
    bad.write_bytes(b"tjgg\1\0\0\0")
    cut = cli.model(name="cut")
    cut.write_bytes(cut.read_bytes()[:-100])
    for path, why in ((bad, "it is a GGJT file"), (cut, "cut short"), (cli.folder / "none.gguf", "No such file or directory"),
                      (cli.folder / "none", "No such file or directory")):
        for command in (["run", path, "hi"], ["tokenize", path, "hi"], ["show", path], ["import", path, "x"]):
            done = cli(*command)
            assert done.returncode != 0 and why in done.stderr, command
            assert done.stderr.count(str(path)) == 1, done.stderr
    assert cli("run", "./none.bin", "hi").stderr == "hyperlama: file './none.bin': No such file or directory\n"


def test_an_unknown_instruction_is_an_error_with_its_line(cli):
    path = cli.model()
    (cli.folder / "Modelfile").write_text("FROM x\n\nSYSTEM \"\"\"two\nlines\"\"\"\nSISTEM y\n")
    done = cli("import", path, "m", "-f", "Modelfile")
    assert done.returncode != 0 and "line 5: 'SISTEM' is no instruction" in done.stderr
