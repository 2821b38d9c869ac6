"""The table of commands, settings, and exit codes."""
import json
import re
import subprocess

from tiny_model import CHATML_THINK

LATER = []
WORKING = ["run", "import", "show", "list", "rm", "gc", "bench", "info", "config", "doctor", "tokenize", "template", "score", "embed", "quantize",
           "completion", "version", "help"]


def test_version_is_one_line(cli):
    assert re.fullmatch(r"hyperlama \d+\.\d+\.\d+\n", cli.ok("--version"))
    assert cli.ok("version") == cli.ok("-v")
    assert json.loads(cli.ok("version", "--json"))["version"]


def test_help_lists_every_command(cli):
    text = cli.ok("help")
    assert text == cli.ok("--help")
    for name in LATER + WORKING:
        assert re.search(rf"^  {name}\b", text, re.M), name


def test_every_command_explains_itself(cli):
    for name in LATER + WORKING:
        assert cli.ok(name, "--help").startswith(f"hyperlama {name}:")
        assert cli.ok("help", name) == cli.ok(name, "-h")


def test_without_a_command_help_goes_to_stderr(cli):
    done = cli()
    assert done.returncode == 2 and "usage:" in done.stderr and done.stdout == ""


def test_an_unknown_command_is_met_with_the_nearest_one(cli):
    done = cli("lsit")
    assert done.returncode == 2 and "did you mean 'list'" in done.stderr
    assert "did you mean" not in cli("qqqqqqq").stderr


def test_commands_of_later_builds_say_so_with_their_own_exit_code(cli):
    for name in LATER:
        done = cli(name, "x", "y")
        assert done.returncode == 16, name
        assert done.stderr.count("\n") == 1 and "does not have it yet" in done.stderr


def test_signin_says_what_to_do_instead(cli):
    assert "no account" in cli.ok("signin") and cli.ok("signout")


def test_options_may_leave_out_dashes_and_take_equals(cli):
    model = cli.model()
    a = cli.ok("run", model, "hi", "--hidethinking", "--keepalive", "5m", "--seed=3")
    assert a == cli.ok("run", "--hide-thinking", "--keep-alive=5m", model, "--seed", "3", "--", "hi")


def test_an_unknown_option_offers_the_nearest_one(cli):
    done = cli("run", "m", "--sytem", "x")
    assert done.returncode == 2 and "did you mean --system" in done.stderr


def test_numbers_are_checked_against_their_range(cli):
    done = cli("run", "m", "hi", "--threads", "70000")
    assert done.returncode == 2 and "expected 0..1024" in done.stderr
    assert "expected 1..100" in cli("bench", "m", "--runs", "0").stderr


def test_missing_and_superfluous_arguments_are_named(cli):
    assert cli("run").returncode == 2 and "MODEL [PROMPT...]" in cli("run").stderr
    assert cli("version", "x").returncode == 2


def setting(cli, name, *args, **kw):
    return json.loads(cli.ok("config", name, "--json", *args, **kw))["settings"][0]


def test_flag_beats_environment_beats_other_environment_beats_file_beats_default(cli):
    name = "engine.n_ctx"
    assert setting(cli, name)["origin"] == "default"
    cli.settings("[engine]\nn_ctx = 100\n")
    assert (setting(cli, name)["value"], setting(cli, name)["origin"]) == (100, "file")
    env = {"OLLAMA_CONTEXT_LENGTH": "200"}
    assert setting(cli, name, env=env)["value"] == 200
    env["HYPERLAMA_ENGINE_N_CTX"] = "300"
    s = setting(cli, name, env=env)
    assert (s["value"], s["origin"], s["where"]) == (300, "environment", "HYPERLAMA_ENGINE_N_CTX")
    s = setting(cli, name, "--engine-n-ctx", "400", env=env)
    assert (s["value"], s["origin"]) == (400, "flag")


def test_ollamas_variables_are_understood(cli):
    assert setting(cli, "store.models_dir", env={"OLLAMA_MODELS": "/x/y"})["value"] == "/x/y"
    assert setting(cli, "cli.history", env={"OLLAMA_NOHISTORY": "1"})["value"] is False
    assert setting(cli, "cli.history", env={"OLLAMA_NOHISTORY": "false"})["value"] is True
    assert setting(cli, "log.level", env={"OLLAMA_DEBUG": "1"})["value"] == "debug"
    assert setting(cli, "cli.color", env={"NO_COLOR": "1"})["value"] == "never"


def test_a_value_of_ollama_that_is_not_known_here_is_reported_and_ignored(cli):
    done = cli("config", "engine.kv_type", env={"OLLAMA_KV_CACHE_TYPE": "q4_0"})
    assert done.returncode == 0 and "f16" in done.stdout
    assert "bad value" in done.stderr and "OLLAMA_KV_CACHE_TYPE" in done.stderr


def test_a_bad_value_names_its_place_and_range(cli):
    cli.settings("\n[engine]\nn_threads = 70000\n")
    done = cli("list")
    assert done.returncode == 2 and "line 3" in done.stderr and "expected 0..1024" in done.stderr
    done = cli("config")  # still shows the rest
    assert done.returncode == 2 and re.search(r"engine\.n_threads += 0", done.stdout)


def test_a_line_too_long_for_the_reader_is_refused_with_its_number(cli):
    cli.settings("[store]\nmodels_dir = /" + "x" * 300 + "\n")
    done = cli("list")
    assert done.returncode == 5 and "line 2" in done.stderr and "at most" in done.stderr


def test_a_line_that_is_no_setting_is_refused_with_its_number(cli):
    cli.settings("[engine]\n\nwhat is this\n")
    done = cli("list")
    assert done.returncode == 5 and "line 3" in done.stderr


def test_unknown_settings_are_reported_with_the_nearest_name(cli):
    cli.settings("[engine]\nn_thread = 2\n")
    done = cli("list")
    assert done.returncode == 0 and "unknown setting" in done.stderr and "nearest engine.n_threads" in done.stderr
    assert "HYPERLAMA_ENGINE_N_THREADS" in cli("list", env={"HYPERLAMA_ENGINE_NTHREADS": "2"}).stderr


def test_doctor_and_help_work_with_broken_settings(cli):
    cli.settings("garbage\n")
    assert cli("help").returncode == 0
    done = cli("doctor")
    assert done.returncode == 6 and "fail  settings" in done.stdout and "ok    processor" in done.stdout


def test_logs_are_lines_of_json_on_request(cli):
    done = cli("run", cli.model(), "hi", env={"HYPERLAMA_LOG": "debug", "HYPERLAMA_LOG_FORMAT": "json"})
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines and all({"time", "level", "component", "event"} <= set(line) for line in lines)


def test_logs_are_logfmt_by_default(cli):
    done = cli("run", cli.model(), "hi", env={"HYPERLAMA_LOG": "debug"})
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [EWIDT] \w+ [\w-]+", done.stderr)


def test_completion_scripts_are_valid_and_know_the_options(cli):
    script = cli.ok("completion", "bash")
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
    probe = script + '\nCOMP_WORDS=(hyperlama run --hide); COMP_CWORD=2; _hyperlama; echo "${COMPREPLY[@]}"\n'
    assert subprocess.run(["bash"], input=probe, text=True, capture_output=True).stdout.strip() == "--hide-thinking"
    assert "#compdef hyperlama" in cli.ok("completion", "zsh")
    assert "complete -c hyperlama" in cli.ok("completion", "fish")
    assert cli("completion", "tcsh").returncode == 2


def test_the_man_page_has_all_commands_and_exit_codes(cli):
    page = cli.ok("help", "--man")
    assert page.startswith(".TH HYPERLAMA 1")
    for name in LATER + WORKING:
        assert rf"\fB{name}\fR" in page
    assert "not in this build yet" in page and "EXIT STATUS" in page


def test_info_and_doctor_speak_json(cli):
    info = json.loads(cli.ok("info", "--json", "--kernels"))
    assert info["paths"]["models"] == str(cli.home / "models") and info["threads"] >= 1 and info["kernels"]
    assert all(c["result"] in ("ok", "warn") for c in json.loads(cli.ok("doctor", "--json")))


def test_scalar_kernels_can_be_forced(cli):
    kernels = json.loads(cli.ok("info", "--json", "--kernels", "--cpu", "scalar"))["kernels"]
    assert {k["isa"] for k in kernels} == {"scalar"}


def test_output_that_cannot_be_written_is_an_error(cli):
    done = subprocess.run([cli.program, "help"], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, env=cli.env, text=True)
    assert done.returncode == 4 and "No space left" in done.stderr


def test_without_any_home_the_message_says_what_to_set(cli):
    done = subprocess.run([cli.program, "list"], env={}, capture_output=True, text=True)
    assert done.returncode == 2 and "HYPERLAMA_HOME" in done.stderr


def test_what_people_type_after_other_programs_is_met_with_the_right_option(cli):
    model = cli.model()
    for given, hint in ((("--temperature", "0"), "-o temperature=0"), (("--temperature=0",), "-o temperature=0"),
                        (("--num-ctx", "8192"), "-o num_ctx=8192"), (("--num_ctx=8192",), "-o num_ctx=8192"),
                        (("-n", "5"), "-o num_predict=5"), (("-n5",), "-o num_predict=5"),
                        (("--max-tokens", "5"), "-o num_predict=5"), (("--top-k", "3"), "-o top_k=3"),
                        (("--stop", "END"), "-o stop=END"), (("--temp",), "-o temperature=VALUE"),
                        (("--ctx-size", "64"), "-o num_ctx=64"), (("--repeat-penalty", "1.1"), "-o repeat_penalty=1.1")):
        done = cli("run", model, "hi", *given)
        assert done.returncode == 2 and done.stderr.rstrip().endswith(hint), (given, done.stderr)
    done = cli("run", model, "hi", "--tempalte", "x")
    assert done.returncode == 2 and "did you mean --template?" in done.stderr
    done = cli("list", "--temperature", "0")  # no command with parameters
    assert done.returncode == 2 and "-o" not in done.stderr
    done = cli("run", model, "hi", "-z")
    assert done.returncode == 2 and "unknown option -z " in done.stderr


def test_flags_of_ollama_are_known(cli):
    model = cli.model()
    for args in (("--dimensions", "5"), ("--truncate=true",)):
        done = cli("run", model, "hi", *args)
        assert done.returncode == 16 and args[0].split("=")[0] in done.stderr and "not" in done.stderr
    done = cli("run", model, "hi", "--insecure")
    assert done.returncode == 0
    assert cli("run", model, "hi", "--think=false").stderr == ""
    done = cli("run", model, "hi", "--think")
    assert done.returncode == 6 and "does not support thinking: its chat template has no place for it" in done.stderr
    model = cli.model(name="thinker", template=CHATML_THINK)
    for word in ("true", "false"):
        assert cli("run", model, "hi", f"--think={word}").stderr == ""
    for word in ("high", "medium", "low", "max"):
        done = cli("run", model, "hi", f"--think={word}")
        assert done.returncode == 0 and word in done.stderr
    assert cli("run", model, "hi", "--think=a-lot").returncode == 2


def test_help_stays_within_80_columns(cli):
    commands = re.findall(r"^  ([a-z]+)", cli.ok("help"), re.M)
    assert len(commands) > 20
    for args in (("help",), *((c, "--help") for c in commands)):
        for line in cli.ok(*args).splitlines():
            assert len(line) <= 80, (args, line)


def test_words_that_say_what_to_do(cli):
    empty = cli("list")
    assert empty.stdout.count("\n") == 1 and "hyperlama pull NAME" in empty.stderr
    assert "OLLAMA_HOST" in cli.ok("serve", "--help") and "--server-host" in cli.ok("serve", "--help")
    cli.ok("import", cli.model(), "tiny")
    wrong = cli("run", "--local", "--format", "nope", "tiny", "hi")
    assert wrong.returncode != 0 and "expected json, a JSON schema, or a file" in wrong.stderr
    rows = [line for line in cli.ok("config").splitlines() if not line.startswith("#")]
    assert len(rows) > 20 and len({row.index(" = ") for row in rows}) == 1
