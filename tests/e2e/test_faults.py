"""The whole program in a hostile world: stopped and continued, its model cut short, few or changing processors, old ones."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from conftest import ROOT

PIECES = [f" piece{i}" for i in range(40)]


def start(cli, *args, env=None, **kw):
    return subprocess.Popen([cli.program, *map(str, args)], env=dict(cli.env, **(env or {})), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=cli.folder, **kw)


def long_run(cli, model, n_tokens=3000):
    return [str(a) for a in ("run", model, "hi " * 1500, "--raw", "--ctx", 16384, "-o", f"num_predict={n_tokens}", "--seed", 3)]


def cycling(cli):
    """A model that says its pieces again and again."""
    return cli.model(PIECES, loop=True, start=b" ")


def test_stopped_and_continued_it_gives_the_same_answer(cli):
    args = long_run(cli, cycling(cli))
    want = cli.ok(*args)
    p = start(cli, *args)
    for _ in range(25):  # from loading over the prompt into the answer; where exactly does not matter
        p.send_signal(signal.SIGSTOP)
        time.sleep(0.005)
        p.send_signal(signal.SIGCONT)
        time.sleep(0.015)
    out, err = p.communicate(timeout=60)
    assert (p.returncode, out.decode()) == (0, want), err
    assert want.startswith(PIECES[0].lstrip()) or want.startswith(PIECES[0])


@pytest.mark.parametrize("part", [0, 0.3, 0.999])
def test_a_model_cut_short_while_it_answers_is_an_error_not_a_crash(cli, part):
    model = cycling(cli)
    p = start(cli, *long_run(cli, model, -1))
    assert p.stdout.read(20)
    os.truncate(model, int(os.path.getsize(model) * part))
    _, err = p.communicate(timeout=60)
    assert p.returncode == 4 and b"cut short" in err


def test_thread_counts_from_one_to_a_thousand(cli):
    model = cycling(cli)
    args = long_run(cli, model, 50)
    assert len({cli.ok(*args, "--threads", n) for n in (0, 1, 2, 1000, 1024)}) == 1
    for bad in ("-1", "1025", "two", ""):
        done = cli("run", model, "hi", f"--threads={bad}")
        assert done.returncode == 2 and "1024" in done.stderr, done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="one processor only")
def test_the_affinity_mask_counts_at_the_start_and_later(cli):
    model, cpus = cycling(cli), sorted(os.sched_getaffinity(0))
    args = long_run(cli, model)
    want = cli.ok(*args)
    one = subprocess.run([cli.program, *args], env=cli.env, capture_output=True, text=True, cwd=cli.folder,
                         preexec_fn=lambda: os.sched_setaffinity(0, cpus[:1]))
    assert (one.returncode, one.stdout) == (0, want)
    info = subprocess.run([cli.program, "info", "--json"], env=cli.env, capture_output=True, text=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, cpus[:1]))
    assert json.loads(info.stdout)["threads"] == 1
    p = start(cli, *args)
    for i in range(40):
        try:
            for task in os.listdir(f"/proc/{p.pid}/task"):
                os.sched_setaffinity(int(task), [cpus[i % len(cpus)]] if i % 3 else cpus)
        except OSError:  # done already
            break
        time.sleep(0.005)
    out, err = p.communicate(timeout=60)
    assert (p.returncode, out.decode()) == (0, want), err


@pytest.mark.parametrize("cpu", ["scalar", "avx2", "avxvnni", "avx512", "avx512vnni"])
def test_older_instruction_sets_give_the_same_answer(cli, cpu):
    if cpu not in json.loads(cli.ok("info", "--json", env={"HYPERLAMA_ENGINE_CPU": "auto"}))["instructions"].split():
        pytest.skip(f"this processor lacks {cpu}")
    args = long_run(cli, cycling(cli), 50)
    assert cli.ok(*args, "--cpu", cpu) == cli.ok(*args)


def under_qemu(cli, model_of_cpu, *args):
    """What the program prints on that processor, emulated; the test is skipped where that cannot be had."""
    qemu = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if not qemu or os.uname().machine != "x86_64":
        pytest.skip("no qemu-x86_64")
    if any(name in pathlib.Path(cli.program).read_bytes() for name in (b"__asan_init", b"__tsan_init")):
        pytest.skip("sanitizers map memory where qemu has its own")
    cli.env.pop("HYPERLAMA_ENGINE_CPU", None)
    info = subprocess.run([qemu, "-cpu", model_of_cpu, cli.program, "info", "--json"], env=cli.env, capture_output=True,
                          text=True, cwd=cli.folder)
    if info.returncode != 0 and "requires CPU" in info.stderr:  # a libc built for newer processors
        pytest.skip(info.stderr.strip())
    assert info.returncode == 0, info.stderr
    if model_of_cpu == "Haswell" and "avx2" not in json.loads(info.stdout)["instructions"].split():
        pytest.skip("this qemu has no AVX2, which came with 7.2")
    assert json.loads(info.stdout)["instructions"] == ("scalar avx2" if model_of_cpu == "Haswell" else "scalar")
    done = subprocess.run([qemu, "-cpu", model_of_cpu, cli.program, *map(str, args)], env=cli.env, capture_output=True,
                          text=True, cwd=cli.folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("model_of_cpu", ["Nehalem", "SandyBridge", "Haswell"])
def test_older_processors_run_the_program(cli, model_of_cpu):
    model = cli.model()
    assert under_qemu(cli, model_of_cpu, "run", model, "hi", "-t", 2) == cli.ok("run", model, "hi", "--cpu", "scalar")


@pytest.mark.parametrize("model_of_cpu", ["Nehalem", "Haswell"])
def test_older_processors_find_the_same_logprobs_of_a_real_model(cli, model_of_cpu):
    model = pathlib.Path(os.environ.get("HL_TEST_MODELS", "")) / "smollm2-135m-q4_1.gguf"
    if not model.is_file():
        pytest.skip("HL_TEST_MODELS has no smollm2-135m-q4_1.gguf")
    # three tokens: an emulated processor without fused multiply-add takes more than a second for each
    args = ("score", model, ROOT / "tests/golden/logits/text.txt", "--limit", 3, "--top", 5, "--json", "--cpu")
    want = cli.ok(*args, "scalar", timeout=None).splitlines()[:-1]  # the last line has the seconds
    assert len(want) == 2 and under_qemu(cli, model_of_cpu, *args, "auto").splitlines()[:-1] == want
