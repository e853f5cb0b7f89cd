# bankd and bankterm. `make help` lists the targets; everything is built under $(BUILD).
#
# Sources are found by folder: a new .c file is built, linked and checked without an edit here.
# CC=clang and CC=gcc both work; SANITIZE=address,undefined builds a second tree. The sanitizer
# targets build in $(BUILD)-asan, $(BUILD)-tsan and $(BUILD)-fuzz, so that no tree mixes flags.

BUILD    ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
SANITIZE ?=
CC       ?= cc
AR       ?= ar
OBJCOPY  ?= objcopy

# Releases differ in the name of msgpack-c's package.
MSGPACK  := $(shell pkg-config --exists msgpack-c && echo msgpack-c || echo msgpack)
PACKAGES := libzmq libsodium sqlite3 ncursesw $(MSGPACK)
VERSION  := 0.1.0

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes \
            -Wmissing-prototypes \
            -Wold-style-definition -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wimplicit-fallthrough \
            -Wcast-qual -Wnull-dereference -Wno-missing-field-initializers
OPTIMISE ?= -O2 -g
HARDEN   := -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
ifneq ($(SANITIZE),)
HARDEN   := -fPIE -fno-omit-frame-pointer -fsanitize=$(SANITIZE) \
            -fno-sanitize-recover=undefined
OPTIMISE := -O1 -g
endif
CPPFLAGS := -I. -I$(BUILD) -D_GNU_SOURCE -DBANK_VERSION='"$(VERSION)"' $(EXTRA_CPPFLAGS)
CFLAGS   := -std=c17 $(OPTIMISE) $(WARNINGS) $(HARDEN) -pthread $(EXTRA_CFLAGS) \
            $(shell pkg-config --cflags $(PACKAGES) | \
                sed 's/-D_DEFAULT_SOURCE//; s/-D_XOPEN_SOURCE=[0-9]*//')
LDFLAGS  := -pie -Wl,-z,relro,-z,now -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE)) \
            $(EXTRA_LDFLAGS)
LIBS_BANKD    := $(shell pkg-config --libs libzmq libsodium sqlite3) -lm
LIBS_BANKTERM := $(shell pkg-config --libs libzmq libsodium ncursesw)
LIBS_ORACLE   := $(shell pkg-config --libs $(MSGPACK))

COMMON_C   := $(wildcard common/*.c proto/*.c)
BANKD_C    := $(filter-out bankd/main.c,$(wildcard bankd/*.c bankd/*/*.c))
BANKTERM_C := $(filter-out bankterm/main.c,$(wildcard bankterm/*.c bankterm/*/*.c))
TESTLIB_C  := $(wildcard tests/lib/*.c)
TEST_C     := $(foreach room,unit proto store ledger fraud ops ui fault,\
                $(wildcard tests/$(room)/test_*.c))
FUZZ_C     := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_C    := $(wildcard tests/bench/bench_*.c)
TOOL_C     := $(wildcard scripts/*.c)

comma      := ,
object     = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
TESTS      := $(patsubst %.c,$(BUILD)/%,$(TEST_C))
TSAN_TESTS := $(foreach test,$(TESTS),$(if $(findstring /test_tsan_,$(test)),$(test)))
FUZZERS    := $(patsubst %.c,$(BUILD)/%,$(FUZZ_C))
BENCHES    := $(patsubst %.c,$(BUILD)/%,$(BENCH_C))
TOOLS      := $(patsubst %.c,$(BUILD)/%,$(TOOL_C))
DEPS       := $(patsubst %.o,%.d,$(call object,$(COMMON_C) $(BANKD_C) $(BANKTERM_C) \
                $(TESTLIB_C) $(TEST_C) $(FUZZ_C) $(BENCH_C) $(TOOL_C) bankd/main.c bankterm/main.c))

.PHONY: all programs tests check test unit e2e asan tsan tsan-run fuzz fuzz-run soak bench docs \
    protocol tidy install clean help
.SECONDARY:
.DEFAULT_GOAL := all

all: programs $(TOOLS) ## build both programs and the tools
programs: $(BUILD)/bankd $(BUILD)/bankterm

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# What is learned must not depend on the compiler: no fused multiplications.
$(BUILD)/obj/bankd/learn/%.o: EXTRA_CFLAGS += -ffp-contract=off

# The migrations are taken into the program whole.
$(BUILD)/obj/bankd/store/migrations.o: $(wildcard data/migrations/*.sql)
$(BUILD)/obj/bankd/home.o: data/rules/default.rules

# An archive is made anew, so that an object whose source is gone does not stay in it.
$(BUILD)/libcommon.a: $(call object,$(COMMON_C))
	rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/libbankd.a: $(call object,$(BANKD_C))
	rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/libbankterm.a: $(call object,$(BANKTERM_C))
	rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/libtest.a: $(call object,$(TESTLIB_C))
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/bankd: $(BUILD)/obj/bankd/main.o $(BUILD)/libbankd.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_BANKD)
$(BUILD)/bankterm: $(BUILD)/obj/bankterm/main.o $(BUILD)/libbankterm.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_BANKTERM)
$(BUILD)/scripts/%: $(BUILD)/obj/scripts/%.o $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_BANKD)

# Test programs take from the archives what they call, so each links in its own room alone.
TEST_LIBS := $(if $(TESTLIB_C),$(BUILD)/libtest.a)
COMMON    := $(BUILD)/libcommon.a
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(TEST_LIBS) $(COMMON)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_BANKD)
$(BUILD)/tests/proto/%: $(BUILD)/obj/tests/proto/%.o $(TEST_LIBS) $(COMMON)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_BANKD) $(LIBS_ORACLE)
$(BUILD)/tests/ui/%: $(BUILD)/obj/tests/ui/%.o $(TEST_LIBS) $(BUILD)/libbankterm.a $(COMMON)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_BANKTERM)
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libbankd.a $(COMMON)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_BANKD)
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(TEST_LIBS) $(BUILD)/libbankd.a $(COMMON)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_BANKD)

# Replies without memory: this test says when the bank's calls for it fail.
$(BUILD)/tests/ops/test_unread: LDFLAGS += -Wl,--wrap=malloc

# The simulation once more, with faults that stand between the parts of the bank: a call of each
# WRAPPED function that crosses from one file to another goes through tests/fault/planted.c.
PLANTED := $(BUILD)/tests/fault/sim_planted
WRAPPED := alert_finding chain_link_audit controls_take ledger_release profile_observe \
           session_find writer_audit writer_change_book writer_commit writer_judge_by \
           writer_may_have writer_post writer_profile_urgent writer_rollup
PLANTED_O := $(call object,tests/fault/planted.c tests/fault/sim_soak.c)
DEPS      += $(PLANTED_O:.o=.d)
$(PLANTED): $(PLANTED_O) $(TEST_LIBS) $(BUILD)/libbankd.a $(COMMON)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(addprefix -Wl$(comma)--wrap=,$(WRAPPED)) -o $@ $^ -lcmocka $(LIBS_BANKD)

# The test of the N-th failure, in which the bank's own calls for memory can fail too.
REFUSING := --redefine-sym malloc=fault_malloc --redefine-sym calloc=fault_calloc \
            --redefine-sym realloc=fault_realloc --redefine-sym aligned_alloc=fault_aligned_alloc
$(BUILD)/obj/refusing/%.a: $(BUILD)/%.a
	@mkdir -p $(@D)
	$(OBJCOPY) $(REFUSING) $< $@
$(BUILD)/tests/fault/test_nth: $(BUILD)/obj/tests/fault/test_nth.o \
    $(BUILD)/obj/refusing/libbankd.a $(BUILD)/obj/refusing/libcommon.a $(TEST_LIBS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter-out $<,$^) -Wl,--end-group -lcmocka \
	    $(LIBS_BANKD)

# --- tests -----------------------------------------------------------------------------------
# The end-to-end tests find the programs under BANK_BUILD. A sanitizer's report of a program
# that they start goes to a file; one file there is a failure, whatever the tests say.

RUN         := scripts/run-tests
REPORTS     := $(BUILD)/reports
FUZZ_TIME   ?= 10
SOAK_TIME   ?= 300
E2E_FILES   ?= $(wildcard tests/e2e/test_*.py tests/fault/test_*.py)
SUB         := $(MAKE) --no-print-directory
export UBSAN_OPTIONS ?= print_stacktrace=1

check: ## install what is missing, build and run every test (scripts/check)
	BUILD=$(BUILD) scripts/check
test: unit e2e ## run the unit tests and the end-to-end tests
tests: $(TESTS)
unit: $(TESTS) ## run the unit tests of every room
	$(RUN) $(TESTS)
# More at one time than there are cores: these wait for deadlines more than they compute.
E2E_JOBS ?= $(shell expr $$(nproc) + 1)
e2e: all $(PLANTED) ## run the end-to-end tests: E2E_FILES=tests/e2e/test_x.py for some
	rm -rf $(REPORTS) && mkdir -p $(REPORTS)
	BANK_BUILD=$(abspath $(BUILD)) $(RUN) --jobs $(E2E_JOBS) $(E2E_FILES)
	@! grep . $(REPORTS)/* 2>/dev/null
# Under the sanitizers the N-th failure is tried for fewer N: `unit` tries them all.
asan: ## run everything under the address and undefined behaviour sanitizers
	+BANK_NTH_STEP=61 $(SUB) BUILD=$(BUILD)-asan SANITIZE=address,undefined unit
	+ASAN_OPTIONS=log_path=$(abspath $(BUILD)-asan)/reports/asan \
	    UBSAN_OPTIONS=print_stacktrace=1:log_path=$(abspath $(BUILD)-asan)/reports/ubsan \
	    $(SUB) BUILD=$(BUILD)-asan SANITIZE=address,undefined e2e
# The messaging library is not instrumented: without the option below, every message that one of
# its threads hands over would be taken for a race.
TSAN_FILES ?= tests/e2e/test_protocol.py tests/e2e/test_overload.py tests/e2e/test_connections.py
tsan: ## run what has threads under the thread sanitizer
	+TSAN_OPTIONS=ignore_noninstrumented_modules=1:log_path=$(abspath $(BUILD)-tsan)/reports/tsan \
	    $(SUB) BUILD=$(BUILD)-tsan SANITIZE=thread E2E_FILES="$(TSAN_FILES)" tsan-run
tsan-run: $(TSAN_TESTS) e2e
	$(if $(TSAN_TESTS),$(RUN) $(TSAN_TESTS))
fuzz: ## let each fuzzer run for FUZZ_TIME seconds (10)
	+$(SUB) BUILD=$(BUILD)-fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined fuzz-run
# All at one time: a fuzzer's time is of the clock, and the step must be no longer than the others.
fuzz-run: $(FUZZERS)
	$(RUN) --jobs $(words $(FUZZERS)) --fuzz $(FUZZ_TIME) $(FUZZERS)
bench: all $(BENCHES) ## measure the bank beside its references (scripts/bench)
	BUILD=$(abspath $(BUILD)) scripts/bench
soak: $(BUILD)/tests/fault/sim_soak ## let the simulation run for SOAK_TIME seconds (300)
	BUILD=$(abspath $(BUILD)) scripts/soak --seconds $(SOAK_TIME)
tidy: $(BUILD)/scripts/gen-protocol ## check the rules of the house
	scripts/tidy
	$< --check proto/PROTOCOL.md

# --- documents and installation --------------------------------------------------------------

SYSCONFDIR ?= /etc
BINDIR     := $(PREFIX)/bin
SHARE      := $(PREFIX)/share/bankd
MANUALS    := $(addprefix $(BUILD)/docs/,bankd.8 bankterm.1 bankd.conf.5)
COMPLETION := $(addprefix $(BUILD)/docs/,bankd.bash bankterm.bash)
INSTALL    := install -D -m
placed      = sed 's|@BINDIR@|$(BINDIR)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g'

docs: $(MANUALS) $(COMPLETION) $(BUILD)/docs/bankd.conf protocol ## print what is made from tables
protocol: $(BUILD)/scripts/gen-protocol # the tables of PROTOCOL.md, written only when they differ
	@mkdir -p $(BUILD)/docs
	$< proto/PROTOCOL.md >$(BUILD)/docs/PROTOCOL.md
	cmp -s $(BUILD)/docs/PROTOCOL.md proto/PROTOCOL.md || cp $(BUILD)/docs/PROTOCOL.md proto/
$(MANUALS) $(COMPLETION): $(BUILD)/docs/%: $(BUILD)/scripts/gen-docs
	@mkdir -p $(@D)
	$< $* >$@.new && mv $@.new $@
$(BUILD)/docs/bankd.conf: data/service/bankd.conf $(BUILD)/bankd
	@mkdir -p $(@D)
	(cat $<; echo; $(BUILD)/bankd config --example) >$@.new && mv $@.new $@

# An existing configuration file is the operator's and stays.
install: all docs ## install under DESTDIR and PREFIX (/usr/local), settings under SYSCONFDIR (/etc)
	$(INSTALL) 755 $(BUILD)/bankd $(DESTDIR)$(BINDIR)/bankd
	$(INSTALL) 755 $(BUILD)/bankterm $(DESTDIR)$(BINDIR)/bankterm
	for kind in service:systemd/system sysusers:sysusers.d tmpfiles:tmpfiles.d; do \
	    suffix=$${kind%%:*}; folder=$(DESTDIR)$(PREFIX)/lib/$${kind#*:}; mkdir -p $$folder; \
	    name=bankd.conf; [ $$suffix != service ] || name=bankd.service; \
	    $(placed) data/service/bankd.$$suffix >$$folder/$$name && chmod 644 $$folder/$$name \
	        || exit 1; \
	done
	[ -e $(DESTDIR)$(SYSCONFDIR)/bankd/bankd.conf ] || \
	    $(INSTALL) 640 $(BUILD)/docs/bankd.conf $(DESTDIR)$(SYSCONFDIR)/bankd/bankd.conf
	for page in $(MANUALS); do \
	    $(INSTALL) 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done
	for file in $(COMPLETION); do name=$${file##*/}; \
	    $(INSTALL) 644 $$file \
	        $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$${name%.bash} || exit 1; \
	done
	for file in $$(find data -type f ! -path 'data/service/*'); do \
	    $(INSTALL) 644 $$file $(DESTDIR)$(SHARE)/$${file#data/} || exit 1; \
	done

clean: ## remove everything that was built
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz $(BUILD)-clang

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

-include $(DEPS)
