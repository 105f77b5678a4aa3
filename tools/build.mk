# parleyctl.c and parley-load.c are programs; the rest goes into libtools.a, what the load tool is made of into libload.a.
tools_SRCS := $(filter-out tools/parleyctl.c tools/parley-load.c,$(wildcard tools/*.c))
load_SRCS := $(wildcard tools/load/*.c)
