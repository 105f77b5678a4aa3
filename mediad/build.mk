# main.c is the program; the rest goes into libmediad.a, which the tests link too.
mediad_SRCS := $(filter-out mediad/main.c,$(wildcard mediad/*.c))
