# tasks.mk - what people and CI call: tests, checks, install, run.
.PHONY: tests
tests: $(TEST_BINS)

# One test program by part of its name: make t T=gguf
.PHONY: t
t: $(foreach b,$(TEST_BINS),$(if $(findstring $(T),$(b)),$(b)))
	@for b in $^; do echo "== $$b"; $$b || exit 1; done
