# bankd and bankterm. `make help` lists the targets; everything is built under $(BUILD).
#
# Sources are found by folder: a new .c file is built, linked and checked without an edit here.
# CC=clang and CC=gcc both work; SANITIZE=address,undefined builds a second tree.

BUILD    ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
SANITIZE ?=
CC       ?= cc
AR       ?= ar

PACKAGES := libzmq libsodium sqlite3 ncursesw
VERSION  := 0.1.0

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wimplicit-fallthrough \
            -Wcast-qual -Wnull-dereference -Wno-missing-field-initializers
OPTIMISE ?= -O2 -g
HARDEN   := -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
ifneq ($(SANITIZE),)
HARDEN   := -fPIE -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined
OPTIMISE := -O1 -g
endif
CPPFLAGS := -I. -I$(BUILD) -D_GNU_SOURCE -DBANK_VERSION='"$(VERSION)"' $(EXTRA_CPPFLAGS)
CFLAGS   := -std=c17 $(OPTIMISE) $(WARNINGS) $(HARDEN) -pthread $(EXTRA_CFLAGS) \
            $(shell pkg-config --cflags $(PACKAGES) | sed 's/-D_DEFAULT_SOURCE//; s/-D_XOPEN_SOURCE=[0-9]*//')
LDFLAGS  := -pie -Wl,-z,relro,-z,now -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(EXTRA_LDFLAGS)
LIBS_BANKD    := $(shell pkg-config --libs libzmq libsodium sqlite3)
LIBS_BANKTERM := $(shell pkg-config --libs libzmq libsodium ncursesw)

COMMON_C   := $(wildcard common/*.c proto/*.c)
BANKD_C    := $(filter-out bankd/main.c,$(wildcard bankd/*.c bankd/*/*.c))
BANKTERM_C := $(filter-out bankterm/main.c,$(wildcard bankterm/*.c bankterm/*/*.c))
TESTLIB_C  := $(wildcard tests/lib/*.c)
TEST_C     := $(wildcard tests/unit/test_*.c tests/proto/test_*.c tests/store/test_*.c tests/ledger/test_*.c \
                tests/fraud/test_*.c tests/ui/test_*.c)
TOOL_C     := $(wildcard scripts/*.c)

object     = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
TESTS      := $(patsubst %.c,$(BUILD)/%,$(TEST_C))
TOOLS      := $(patsubst %.c,$(BUILD)/%,$(TOOL_C))
DEPS       := $(patsubst %.o,%.d,$(call object,$(COMMON_C) $(BANKD_C) $(BANKTERM_C) $(TESTLIB_C) $(TEST_C) \
                $(TOOL_C) bankd/main.c bankterm/main.c))

.PHONY: all check test unit e2e asan tsan fuzz bench docs tidy install clean help
.SECONDARY:
.DEFAULT_GOAL := all

all: $(BUILD)/bankd $(BUILD)/bankterm $(TOOLS) ## build both programs and the tools

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

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

TEST_LIBS := $(BUILD)/libtest.a $(BUILD)/libcommon.a
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_BANKD)
$(BUILD)/tests/proto/%: $(BUILD)/obj/tests/proto/%.o $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_BANKD)
$(BUILD)/tests/ui/%: $(BUILD)/obj/tests/ui/%.o $(BUILD)/libbankterm.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_BANKTERM)
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/libbankd.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_BANKD)

clean: ## remove everything that was built
	rm -rf $(BUILD)

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(DEPS)
