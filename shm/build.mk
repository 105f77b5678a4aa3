# Sources of this folder; all of them go into libshm.a.
shm_SRCS := $(wildcard shm/*.c)
