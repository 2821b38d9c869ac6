# hyperlama - `make run` gets a model and answers, `make test` proves it, `make help` lists the rest.
MODE    ?= release
PREFIX  ?= /usr/local
DESTDIR ?=
PYTHON  ?= $(firstword $(wildcard /usr/bin/python3) python3)
OUT     := out/$(MODE)
# make V=1 shows whole commands
Q       := $(if $(V),,@)
.DEFAULT_GOAL := all

include build/isa.mk
include build/kernels.mk

WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wundef
OPT_release := -O2 -g1 -fno-plt
# What costs nothing measurable and makes a fault harder to use (docs: SECURITY.md); kernels, whose loops hold everything in
# registers, have no buffers that this could watch.
HARDEN_release := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -Wformat -Wformat-security \
                  $(if $(filter x86_64 amd64,$(ARCH)),-fcf-protection)
HARDEN_LD      := -Wl,-z,relro,-z,now,-z,noexecstack
OPT_debug   := -O1 -g -DHL_DEBUG=1
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_fuzz    := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-omit-frame-pointer
PKGS    := jansson libpcre2-8 libutf8proc libcrypto zlib libzstd libcurl sqlite3 libedit libmicrohttpd
ENGINE_PKGS := jansson libpcre2-8 libutf8proc
# -ffp-contract=off: kernels say fma where they mean it, so that results are the same everywhere.
CFLAGS  := $(OPT_$(MODE)) $(HARDEN_$(MODE)) -std=gnu17 -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno $(WARN) -I. -Iinclude \
           $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(EXTRA_CFLAGS)
LDFLAGS := $(OPT_$(MODE)) $(HARDEN_LD) $(EXTRA_LDFLAGS)
LDLIBS  := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -linih -lpthread -lm
ENGINE_LDLIBS := $(shell pkg-config --libs $(ENGINE_PKGS) 2>/dev/null) -lpthread -lm

find_c   = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))
# The engine reads JSON, too, and nothing else of core/data.
BASE_SRC   := $(call find_c,core/base core/gguf) $(wildcard core/data/json*.c)
DATA_SRC   := $(filter-out $(BASE_SRC),$(call find_c,core/data core/net))
ENGINE_SRC := $(filter-out engine/kernels/scalar/% engine/kernels/x86/% engine/kernels/arm/%,$(call find_c,engine)) \
              $(filter-out $(TEMPLATES),$(call find_c,$(KERNEL_DIRS)))
HOST_SRC   := $(call find_c,models host server)
BENCH_LIB_SRC := $(call find_c,bench/lib)
CLI_SRC    := $(call find_c,cli)
SQL        := $(sort $(wildcard models/db/sql/*.sql))

RUNNER_SRC := $(call find_c,runner)
LIB_SRC := $(BASE_SRC) $(RUNNER_SRC) $(ENGINE_SRC)
ALL_SRC := $(LIB_SRC) $(DATA_SRC) $(HOST_SRC) $(BENCH_LIB_SRC) $(CLI_SRC)
obj = $(patsubst %.c,$(OUT)/%.o,$(1))
LIB_OBJ := $(call obj,$(LIB_SRC)) $(KERNEL_OBJ)
GEN_OBJ := $(OUT)/gen/migrations.o $(OUT)/gen/profiles.o

.PHONY: all clean help
all: $(OUT)/hyperlama

$(OUT)/%.o: %.c
	@mkdir -p $(@D); echo "  $(if $(filter %.c,$<),CC,GEN) $@"
	$(Q)$(CC) $(CFLAGS) $(call isa_flags,$<) -MMD -MP -c -o $@ $<

$(OUT)/gen/migrations.c: tools/embed.py $(SQL)
	@mkdir -p $(@D); echo "  $(if $(filter %.c,$<),CC,GEN) $@"
	$(Q)$(PYTHON) tools/embed.py migrations $(SQL) > $@.tmp && mv $@.tmp $@
$(OUT)/gen/profiles.c: tools/embed.py host/remote/profiles.ini
	@mkdir -p $(@D); echo "  GEN $@"
	$(Q)$(PYTHON) tools/embed.py text hl_profiles_ini host/remote/profiles.h host/remote/profiles.ini > $@.tmp && mv $@.tmp $@
$(OUT)/gen/%.o: $(OUT)/gen/%.c
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

# The commit, for benchmark results and saved key/value blocks; rewritten only when it is another one, so that nothing is built for nothing.
COMMIT := $(shell git describe --always --dirty 2>/dev/null)
$(OUT)/gen/commit.h: $(if $(findstring "$(COMMIT)",$(shell cat $(OUT)/gen/commit.h 2>/dev/null)),,FORCE)
	@mkdir -p $(@D)
	@echo '#define HL_COMMIT "$(COMMIT)"' > $@
$(OUT)/cli/cmd_bench.o $(OUT)/engine/build_commit.o: $(OUT)/gen/commit.h
$(OUT)/cli/cmd_bench.o $(OUT)/engine/build_commit.o: CFLAGS += -I$(OUT)
.PHONY: FORCE

$(OUT)/libhyperlama.a: $(LIB_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# Everything but main(), for tests and tools.
$(OUT)/liball.a: $(call obj,$(filter-out cli/main.c,$(ALL_SRC))) $(KERNEL_OBJ) $(GEN_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(OUT)/hyperlama: $(OUT)/cli/main.o $(OUT)/liball.a
	$(Q)$(CC) $(LDFLAGS) -pie -o $@ $^ $(LDLIBS)

# Tests: one cmocka program per file.
TEST_SRC  := $(sort $(wildcard tests/unit/test_*.c tests/kernels/test_*.c tests/golden/test_*.c tests/fault/test_*.c tests/migrate/test_*.c))
TEST_BINS := $(patsubst %.c,$(OUT)/%,$(TEST_SRC))
$(OUT)/tests/%: $(OUT)/tests/%.o $(OUT)/liball.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka
BENCH_SRC  := $(sort $(wildcard bench/bench_*.c))
BENCH_BINS := $(patsubst bench/%.c,$(OUT)/bench/%,$(BENCH_SRC))
$(OUT)/bench/%: $(OUT)/bench/%.o $(OUT)/liball.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

include build/tasks.mk

clean:
	rm -rf out

-include $(patsubst %.o,%.d,$(KERNEL_OBJ) $(call obj,$(ALL_SRC) $(TEST_SRC) $(BENCH_SRC) $(wildcard tests/fuzz/*.c)))
