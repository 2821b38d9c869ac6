# isa.mk - compiler flags by file suffix: a kernel's file name says what its code may use.
ARCH := $(shell $(CC) -dumpmachine | cut -d- -f1)
# The flags of one source file: those of the word after its last underscore, when that is an ISA.
# Kernels are unrolled so far that checks written into them take long to compile: with addresses checked an AVX-512 file
# takes ten seconds instead of two, with undefined behaviour too an AVX2 file up to twenty. Left out there: their tests
# use guard pages. The thread sanitizer costs nothing and sees what kernels read and write.
checked_asan    = $(if $(findstring _avx512,$(1)),-fno-sanitize=all,$(if $(findstring engine/kernels/x86,$(1)),-fno-sanitize=undefined))
# With clang no kernel of x86 is checked: fuzz_model compares them with plain C, which is.
checked_fuzz    = $(if $(findstring engine/kernels/x86,$(1)),-fno-sanitize=all)
unwatched = $(if $(findstring engine/kernels/,$(1)),-fno-stack-protector -fno-stack-clash-protection)
isa_flags = $(call checked_$(MODE),$(1)) $(unwatched) $(ISA_$(lastword $(subst _, ,$(basename $(notdir $(1))))))
# No flags for processors of the other family: tests of its kernels are compiled, too, and skipped.
ifneq ($(filter x86_64 amd64,$(ARCH)),)
KERNEL_DIRS := engine/kernels/scalar engine/kernels/x86
ISA_avx2       := -mavx2 -mfma -mf16c -mbmi2
ISA_avxvnni    := $(ISA_avx2) -mavxvnni
ISA_avx512     := $(ISA_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
ISA_avx512vnni := $(ISA_avx512) -mavx512vnni
ISA_avx512bf16 := $(ISA_avx512) -mavx512bf16
else ifneq ($(filter aarch64 arm64,$(ARCH)),)
KERNEL_DIRS := engine/kernels/scalar engine/kernels/arm
# gcc's scheduler before register allocation moves loads so far ahead that 32 registers do not hold them: up to a
# quarter more instructions, all spills. The processors that matter order for themselves.
UNSCHEDULED    := $(shell $(CC) -Werror -fno-schedule-insns -x c -c -o /dev/null /dev/null 2>/dev/null && echo -fno-schedule-insns)
ISA_neon       := $(UNSCHEDULED)
ISA_dotprod    := $(UNSCHEDULED) -march=armv8.2-a+dotprod
ISA_i8mm       := $(UNSCHEDULED) -march=armv8.2-a+dotprod+i8mm
else
KERNEL_DIRS := engine/kernels/scalar
endif
