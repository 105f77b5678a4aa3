# Tests: one program per tests/unit/test_*.c (cmocka), tests/stress/stress_*.c and tests/fuzz/fuzz_*.c.
# The first line of a test file may name the libraries it needs above shm and lib: /* links: mediad */
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
STRESS_TESTS := $(patsubst tests/stress/%.c,$(BUILD)/tests/%,$(wildcard tests/stress/stress_*.c))
FUZZ_REPLAYS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

test_links = $(shell sed -n '1s/.*links: *\([a-z ]*\).*/\1/p' $(1))
TEST_LIBS := $(shell pkg-config --libs $(PKGS) cmocka 2>/dev/null) $(IPSEC_MB) -lm

# What tests share (links: support): peers, doubles, harnesses; the load tool's client is one of the peers.
support_SRCS := $(filter-out tests/support/replay.c,$(wildcard tests/support/*.c)) $(wildcard tools/load/peer*.c)
$(BUILD)/libsupport.a: $(patsubst %.c,$(BUILD)/obj/%.o,$(support_SRCS))
	$(Q)rm -f $@ && ar rcs $@ $^

# The media side on a simulated clock and network (links: lab mediad); it stands in for the transport side and the
# loop, as support stands in for the media side: a test links one of the two.
lab_SRCS := $(wildcard tests/lab/*.c) tests/net/wire.c tests/net/dice.c
$(BUILD)/liblab.a: $(patsubst %.c,$(BUILD)/obj/%.o,$(lab_SRCS))
	$(Q)rm -f $@ && ar rcs $@ $^

# Programs that see all media of a server: impair, a UDP proxy that is a bad network, and witness, who only looks; and
# what they are made of (links: net).
NET_PROGRAMS := impair witness
net_SRCS := $(filter-out $(NET_PROGRAMS:%=tests/net/%.c),$(wildcard tests/net/*.c))
$(BUILD)/libnet.a: $(patsubst %.c,$(BUILD)/obj/%.o,$(net_SRCS))
	$(Q)rm -f $@ && ar rcs $@ $^
$(NET_PROGRAMS:%=$(BUILD)/tests/%): $(BUILD)/tests/%: $(BUILD)/obj/tests/net/%.o $(BUILD)/libnet.a $(BUILD)/liblib.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) -lm

define test_rules
$$(BUILD)/tests/$(notdir $(basename $(1))): $$(BUILD)/obj/$(basename $(1)).o $(foreach l,$(call test_links,$(1)) shm lib,$$(BUILD)/lib$(l).a) $(2)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	$$(Q)$$(CC) -o $$@ $$^ $$(ALL_LDFLAGS) $$(TEST_LIBS)
endef
$(foreach t,$(wildcard tests/unit/test_*.c tests/stress/stress_*.c),$(eval $(call test_rules,$(t),)))
$(foreach t,$(wildcard tests/fuzz/fuzz_*.c),$(eval $(call test_rules,$(t),$$(BUILD)/obj/tests/support/replay.o)))

# Real encoders and decoders on both ends of the lab (tests/decode); their libraries come with the packages of `make test`,
# not with those of building.
DECODE_PKGS := gstreamer-check-1.0 gstreamer-video-1.0 libavcodec libavutil
decode_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/decode/*.c))
$(decode_OBJS): PKGS += $(DECODE_PKGS)
$(BUILD)/tests/decode: $(decode_OBJS) $(foreach l,lab mediad shm lib,$(BUILD)/lib$(l).a)
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(TEST_LIBS) $(shell pkg-config --libs $(DECODE_PKGS) 2>/dev/null)

# These start the program itself.
$(BUILD)/tests/test_mediad $(BUILD)/tests/test_abuse: | $(BUILD)/parley-mediad

# A fuzzer is the same target, built from sources with clang and libFuzzer.
define fuzz_rules
$$(BUILD)/fuzz/$(notdir $(basename $(1))): $(1) $(foreach l,$(call test_links,$(1)) shm lib,$$($(l)_SRCS)) $$(BUILD)/.deps
	@mkdir -p $$(@D)
	@echo "  FUZZ    $$@"
	$$(Q)clang -o $$@ $$(filter %.c,$$^) -std=gnu11 -D_GNU_SOURCE -I. -I$$(BUILD) $$(PKG_CFLAGS) -O1 -g -w \
		-fsanitize=fuzzer,address,undefined $$(TEST_LIBS) -pthread
endef
$(foreach t,$(wildcard tests/fuzz/fuzz_*.c),$(eval $(call fuzz_rules,$(t))))

.PHONY: unit stress replays fuzzers fuzz net
net: $(NET_PROGRAMS:%=$(BUILD)/tests/%)
unit: $(UNIT_TESTS) ## build the unit tests
stress: $(STRESS_TESTS)
replays: $(FUZZ_REPLAYS)
fuzzers: $(FUZZERS)
fuzz: fuzzers ## run every fuzz target for FUZZ_SECONDS (60) each
	$(Q)tests/fuzz/run $(BUILD)/fuzz $(or $(FUZZ_SECONDS),60)

# What `make bench` runs beside the programs.
BENCH_PROGRAMS := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench_%,$(wildcard tests/bench/*.c))
define bench_rules
$$(BUILD)/tests/bench_$(notdir $(basename $(1))): $$(BUILD)/obj/$(basename $(1)).o $(foreach l,$(call test_links,$(1)) shm lib,$$(BUILD)/lib$(l).a)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	$$(Q)$$(CC) -o $$@ $$^ $$(ALL_LDFLAGS) $$(TEST_LIBS)
endef
$(foreach t,$(wildcard tests/bench/*.c),$(eval $(call bench_rules,$(t))))
.PHONY: bench-programs
bench-programs: $(BENCH_PROGRAMS)
