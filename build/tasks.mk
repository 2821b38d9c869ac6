# tasks.mk - what people and CI call: tests, checks, install, run.
PROMPT   ?= Give me three tips for learning to play the guitar.
MODEL    ?= smollm2:135m-instruct-q4_1
# Only to end what hangs: sanitizers and a busy machine make a suite take many times its usual time.
TIMEOUT_S      ?= $(if $(filter asan tsan,$(MODE)),3600,900)
FAST_TIMEOUT_S ?= $(if $(filter asan tsan,$(MODE)),1800,300)
JOBS     ?= $(shell nproc 2>/dev/null || echo 2)
# Build with all cores, unless the caller said -j already.
PARALLEL  = $(if $(findstring -j,$(MAKEFLAGS))$(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
# pytest lives with the system's Python or with the user's.
TEST_PYTHON = $(firstword $(foreach p,/usr/bin/python3 python3,$(shell $(p) -c 'import pytest' 2>/dev/null && echo $(p))) $(PYTHON))
E2E_TESTS  := $(sort $(wildcard tests/e2e/test_*.py))
CHECKS     := $(sort $(wildcard tools/check_*.py tools/check_*.sh tests/abi/*.sh tests/abi/check_*.py))
SHARED     := $(OUT)/libhyperlama.so
SONAME     := libhyperlama.so.0
comma      := ,
export PROMPT MODEL

.SECONDARY:
.PHONY: analyze deps run run-now fuzz fuzz-now tests t test test-now test-fast test-arm64 test-engines test-memory mutate bench check lib install uninstall
deps:
	@sh tools/deps.sh

# Two steps, because what `deps` installs changes what pkg-config says.
run: deps
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@$(MAKE) --no-print-directory run-now
run-now: all
	@$(PYTHON) tools/get_model.py $(OUT)/hyperlama
	@$(OUT)/hyperlama run "$$MODEL" --verbose -o temperature=0 -- "$$PROMPT"

# Fuzz targets: their corpus replays in `make test`; `make fuzz` looks for new inputs (needs clang). All of them, or those of FUZZ="gguf jinja".
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
REPLAYS    := $(FUZZ_NAMES:%=$(OUT)/tests/fuzz/replay_%)
FUZZ_S     ?= 60
FUZZ       ?= $(FUZZ_NAMES)
$(OUT)/tests/fuzz/replay_%: $(OUT)/tests/fuzz/fuzz_%.o $(OUT)/tests/fuzz/replay.o $(OUT)/liball.a
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
# What parsers are made of; those that run models need the engine, too, which takes clang some minutes.
WHOLE      := model
PARSE_SRC  := $(filter core/% engine/template/% engine/gotemplate/% engine/tokenizer/% engine/runner/chat% engine/kv/% models/% \
              engine/grammar/% engine/toolcalls/% \
              engine/sampler/% host/options.c server/body_fields.c server/gate.c server/http/fields.c server/http/decode_body.c,$(ALL_SRC))
$(OUT)/libparse.a: $(call obj,$(PARSE_SRC)) $(OUT)/gen/migrations.o
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(WHOLE:%=$(OUT)/tests/fuzz/run_%): $(OUT)/tests/fuzz/run_%: $(OUT)/tests/fuzz/fuzz_%.o $(OUT)/libhyperlama.a
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)
$(OUT)/tests/fuzz/run_%: $(OUT)/tests/fuzz/fuzz_%.o $(OUT)/libparse.a
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

# Benchmarks are built along, so that they go on compiling; nothing runs them.
tests: $(TEST_BINS) $(REPLAYS) $(BENCH_BINS)

fuzz:
	@$(MAKE) --no-print-directory $(PARALLEL) fuzz-now MODE=fuzz CC="$(if $(filter clang%,$(CC)),$(CC),clang)"
fuzz-now: $(FUZZ:%=$(OUT)/tests/fuzz/run_%)
	@$(PYTHON) tools/fuzz.py $(OUT)/tests/fuzz $(FUZZ_S) $(FUZZ)

# Static analysis (needs clang-tidy): some minutes.
analyze: $(OUT)/gen/commit.h
	@$(PYTHON) tools/analyze.py --jobs $(JOBS)

# One test program by part of its name: make t T=gguf
t: $(foreach b,$(TEST_BINS),$(if $(findstring $(T),$(b)),$(b)))
	@for b in $^; do echo "== $$b"; $$b || exit 1; done

# Everything: checks, unit, kernel, golden, fault and end-to-end tests.
test: deps
	@$(MAKE) --no-print-directory $(PARALLEL) all lib tests
	@$(MAKE) --no-print-directory test-now
test-now: all lib tests
	@test -n "$$HL_TEST_MODELS" || $(PYTHON) tools/get_test_models.py out/models
	@HL_TEST_MODELS=$${HL_TEST_MODELS:-$(abspath out/models)} HL_PROGRAM=$(abspath $(OUT)/hyperlama) HL_TEST_OUT=$(abspath $(OUT)) \
	    $(TEST_PYTHON) tools/run_tests.py --jobs $(JOBS) --timeout $(TIMEOUT_S) $(CHECKS) $(TEST_BINS) $(REPLAYS) $(E2E_TESTS)

# What is quick and needs no network: no end-to-end tests, no real models.
test-fast: all tests
	@HL_TEST_FAST=1 HL_TEST_OUT=$(abspath $(OUT)) $(TEST_PYTHON) tools/run_tests.py --jobs $(JOBS) --skip-python --timeout $(FAST_TIMEOUT_S) $(CHECKS) $(TEST_BINS) $(REPLAYS)

# Change one line at a time and see whether tests notice: planted faults, then N of all others. Takes hours; goes on where
# it was stopped.
N    ?= 150
SEED ?= 1
ONLY ?= *
mutate:
	@$(TEST_PYTHON) tools/mutate.py --n $(N) --seed $(SEED) --only '$(ONLY)'

# One benchmark by the end of its name in bench/: make bench BENCH=kernels ARGS=q4_k
BENCH ?= kernels
bench: $(OUT)/bench/bench_$(BENCH)
	@$< $(ARGS)

# Every place in the process where memory can end, over 13 commands: half an hour. `make test` tries each hundredth.
test-memory: all
	@$(PYTHON) tests/e2e/memory_sweep.py $(OUT)/hyperlama --jobs $(JOBS)

# Engines of other programs: 100 starts and ends of one; real ones that are installed (HL_LLAMA_SERVER, HL_MAX, HL_MAX_MODEL).
test-engines: all
	@HL_ENGINE_CYCLES=100 HL_PROGRAM=$(abspath $(OUT)/hyperlama) $(TEST_PYTHON) -m pytest -q -rs tests/e2e/test_engines.py tests/e2e/test_guard.py tests/e2e/test_real_engines.py

# The engine on arm64, on any Debian: cross compiler, libraries of arm64 in out/arm64/sysroot, qemu-user.
test-arm64:
	@JOBS=$(JOBS) sh build/cross_arm64.sh

check: all lib
	@for c in $(CHECKS); do case $$c in *.py) $(PYTHON) $$c ;; *) sh $$c ;; esac || exit 1; done

lib: $(OUT)/libhyperlama.a $(SHARED)
$(SHARED): $(LIB_OBJ)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) $(if $(filter release debug,$(MODE)),-Wl$(comma)-z$(comma)defs) -o $@ $^ $(ENGINE_LDLIBS)

install: all lib
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/hyperlama \
	    $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(OUT)/hyperlama $(DESTDIR)$(PREFIX)/bin/
	install -m 644 include/hyperlama/*.h include/hyperlama/*.def $(DESTDIR)$(PREFIX)/include/hyperlama/
	install -m 644 $(OUT)/libhyperlama.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(SHARED) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libhyperlama.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e "s|@VERSION@|$$($(OUT)/hyperlama --version | cut -d' ' -f2)|" \
	    build/hyperlama.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/hyperlama.pc
	$(OUT)/hyperlama help --man > $(DESTDIR)$(PREFIX)/share/man/man1/hyperlama.1
	$(OUT)/hyperlama completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hyperlama
	$(OUT)/hyperlama completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_hyperlama
	$(OUT)/hyperlama completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/hyperlama.fish

uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/include/hyperlama
	rm -f $(DESTDIR)$(PREFIX)/bin/hyperlama $(DESTDIR)$(PREFIX)/lib/libhyperlama.* $(DESTDIR)$(PREFIX)/lib/pkgconfig/hyperlama.pc \
	    $(DESTDIR)$(PREFIX)/share/man/man1/hyperlama.1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hyperlama \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_hyperlama $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/hyperlama.fish

help:
	@echo "make run [PROMPT=...]   get the default model once, answer a prompt"
	@echo "make test | test-fast   all tests | those that are quick and need no network"
	@echo "make test-arm64         kernel and unit tests of an arm64 build, cross-compiled, under qemu"
	@echo "make test-memory        the k-th allocation of the process fails, for all k"
	@echo "make test-engines       100 starts and ends of an engine of another program"
	@echo "make t T=name           one test program by part of its name"
	@echo "make fuzz FUZZ_S=60 FUZZ=jinja   look for inputs that break a parser, so many seconds each (needs clang)"
	@echo "make bench BENCH=kernels ARGS=q4_k   a benchmark of bench/: $(patsubst bench_%,%,$(notdir $(BENCH_BINS)))"
	@echo "make mutate N=150       change lines of code one at a time: do the tests notice? (hours; docs/mutants.md)"
	@echo "make check              layers, names, symbols, docs, format, sizes"
	@echo "make analyze            clang's static analysis, with the checks whose findings are faults (needs clang-tidy)"
	@echo "make deps               install missing packages (Debian, Ubuntu)"
	@echo "make install DESTDIR= PREFIX=   MODE=release|debug|asan|tsan for all of these"
	@echo "                        test-fast MODE=asan | MODE=tsan: sanitizers, without real models and the command line"
