# parleyctl.c and parley-load.c are programs; the rest goes into libtools.a.
tools_SRCS := $(filter-out tools/parleyctl.c tools/parley-load.c,$(wildcard tools/*.c))
