# main.c is the program; the rest goes into libworkers.a, which the tests link too.
workers_SRCS := $(filter-out workers/main.c,$(wildcard workers/*.c))
