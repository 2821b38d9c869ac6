# kernels.mk - kernels of weight types: <op>_<isa>.c is compiled once per type, with -DHL_WTYPE=q4_k, to <op>_q4_k_<isa>.o.
# Which there are says engine/kernels/kernels.def alone, read by the preprocessor of the compiler in use, so for the family of
# processors that it compiles for. A type whose code is another one (f32, f16, bf16) has <op>_<type>_<isa>.c for itself.
KERNELS   := $(shell $(CC) -E -P -x c -I. '-DHL_KERNEL(op, type, isa, ...)=op:type:isa;' engine/kernels/kernels.def \
                 2>/dev/null | tr -d ' \n' | tr ';' ' ')
op_of      = $(word 1,$(subst :, ,$(1)))
wtype_of   = $(word 2,$(subst :, ,$(1)))
isa_of     = $(word 3,$(subst :, ,$(1)))
template_of = $(wildcard engine/kernels/*/$(op_of)_$(isa_of).c)
TYPED     := $(foreach k,$(KERNELS),$(if $(wildcard engine/kernels/*/$(subst :,_,$(k)).c),,$(k)))
TEMPLATES := $(sort $(foreach k,$(TYPED),$(call template_of,$(k))))
KERNEL_OBJ := $(foreach k,$(TYPED),$(OUT)/kernels/$(subst :,_,$(k)).o)

define kernel_rule
$(OUT)/kernels/$(subst :,_,$(1)).o: $(call template_of,$(1))
	@mkdir -p $$(@D); echo "  CC $$@"
	$$(Q)$$(CC) $$(CFLAGS) $$(call isa_flags,$$<) -DHL_WTYPE=$(call wtype_of,$(1)) -MMD -MP -c -o $$@ $$<
endef
$(foreach k,$(TYPED),$(eval $(call kernel_rule,$(k))))
