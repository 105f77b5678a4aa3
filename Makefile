# Parley. `make help` lists the targets; README.md tells the story.
SHELL := /bin/bash
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# SAN=address,undefined or SAN=thread builds beside the normal one, in a folder of its own.
SAN ?=
BUILD ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
comma := ,
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

CC ?= gcc
CFLAGS ?= -O2 -g
SAN_CFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined -DPARLEY_CHECK_INDEX)
PKGS := openssl libcurl libpq yajl libargon2 libsrtp2 nice gstreamer-sdp-1.0 glib-2.0 libpng libturbojpeg libwebp libsystemd
# Intel's ipsec-mb, where there is one (amd64): GCM at half the price. IPSEC_MB= builds without.
ifeq ($(origin IPSEC_MB),undefined)
IPSEC_MB := $(shell echo '\#include <intel-ipsec-mb.h>' | $(CC) -E -x c - >/dev/null 2>&1 && echo -lIPSec_MB)
endif
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wpointer-arith \
	-Wwrite-strings -Wundef -Werror=implicit-function-declaration -Werror=incompatible-pointer-types
HARDEN := -fstack-protector-strong $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fPIE
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(if $(IPSEC_MB),-DPARLEY_IPSEC_MB) -I. -I$(BUILD) $(WARN) $(HARDEN) $(PKG_CFLAGS) \
	$(CFLAGS) $(SAN_CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS) $(SAN_CFLAGS) -pthread

include lib/build.mk shm/build.mk master/build.mk workers/build.mk mediad/build.mk tools/build.mk
include tests/build.mk web/build.mk scripts/build.mk

FOLDERS := lib shm master workers mediad tools
define folder_rules
$(1)_OBJS := $$(patsubst %.c,$$(BUILD)/obj/%.o,$$($(1)_SRCS))
$$(BUILD)/lib$(1).a: $$($(1)_OBJS)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS) load,$(eval $(call folder_rules,$(f))))

$(BUILD)/obj/%.o: %.c $(BUILD)/.deps
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# program: main object, own library, then the ones below it
define program_rules
$$(BUILD)/$(1): $$(BUILD)/obj/$(2).o $(foreach l,$(3),$$(BUILD)/lib$(l).a)
	@echo "  LD      $$@"
	$$(Q)$$(CC) -o $$@ $$^ $$(ALL_LDFLAGS) $$(shell pkg-config --libs $(4)) $(5)
endef
$(eval $(call program_rules,parleyd,master/main,master shm lib,libsystemd openssl,))
$(eval $(call program_rules,parley-worker,workers/main,workers shm lib,openssl libpq yajl libargon2 gstreamer-sdp-1.0 glib-2.0 \
	libpng libturbojpeg libwebp,-lm))
$(eval $(call program_rules,parley-mediad,mediad/main,mediad shm lib,openssl libsrtp2 nice glib-2.0,-lm $(IPSEC_MB)))
$(eval $(call program_rules,parleyctl,tools/parleyctl,tools shm lib,libpq openssl yajl,-lm))
$(eval $(call program_rules,parley-load,tools/parley-load,load tools shm lib,libcurl openssl libsrtp2 nice glib-2.0 yajl,-lm))

PROGRAMS := $(addprefix $(BUILD)/,parleyd parley-worker parley-mediad parleyctl parley-load)

.PHONY: all programs
all: programs web $(BUILD)/openapi.json ## build everything
programs: $(PROGRAMS)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
