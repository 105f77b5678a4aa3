/* shm/fence.h - fences, and copies of memory that another process may be writing.
 *
 * The seqlocks of ring.h and directory.h read data while its writer may already be at it again, and throw
 * the copy away when the generation has moved. That is a race on purpose: shm_copy_racy() is the one place
 * where it happens. Built with TSan, which knows no fences, it is a word-wise copy that TSan does not look
 * at, so that every other race is still found. */
#ifndef PARLEY_SHM_FENCE_H
#define PARLEY_SHM_FENCE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define SHM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHM_TSAN 1
#endif
#endif

#if defined(SHM_TSAN) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif

static inline void shm_fence_acquire(void)
{
	atomic_thread_fence(memory_order_acquire);
}

static inline void shm_fence_release(void)
{
	atomic_thread_fence(memory_order_release);
}

static inline void shm_fence_full(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

#if defined(SHM_TSAN) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/* What was read from the other side so far is not read again: the compiler may not fetch it twice. */
static inline void shm_fetched(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

#ifdef SHM_TSAN
__attribute__((no_sanitize("thread"), noinline, unused)) static void shm_copy_racy(void *to, const void *from,
										   size_t len)
{
	const volatile uint8_t *src = from;
	uint8_t *dst = to;

	for (size_t i = 0; i < len; i++)
		dst[i] = src[i];
}
#else
static inline void shm_copy_racy(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	shm_fetched();
}
#endif

#endif
