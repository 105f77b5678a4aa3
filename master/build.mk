# main.c is the program; the rest goes into libmaster.a, which the tests link too.
master_SRCS := $(filter-out master/main.c,$(wildcard master/*.c))
