# Sources of this folder; all of them go into liblib.a.
lib_SRCS := $(wildcard lib/*.c)
