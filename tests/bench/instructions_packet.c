/* links: support mediad */
/* What the transport side does with a packet, for callgrind (tests/bench/instructions.mjs): a real mediad in this
 * process whose media side sends back what comes (media_echo), and a real peer. Packets go in flights of 32, so batches
 * are the same in every run. Instructions are counted within measured() alone; it says how many packets came back. */
#include "lib/rtp.h"
#include "tests/support/one_mediad.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { FLIGHT = 32, FLIGHTS = 200, PAYLOAD = 1160, WAIT_US = 60 * 1000 * 1000, LOST_US = 200 * 1000 };

static struct one_mediad one;
static unsigned back;
static uint16_t next_seq = 1;

__attribute__((noinline)) void measured(struct peer *peer);

/* That of the C library is a system call that valgrind 3.19 does not know. */
int epoll_pwait2(int fd, struct epoll_event *events, int max, const struct timespec *timeout, const sigset_t *mask)
{
	int ms = timeout ? (int)(timeout->tv_sec * 1000 + (timeout->tv_nsec + 999999) / 1000000) : -1;

	return epoll_pwait(fd, events, max, ms, mask);
}

static void on_rtp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	(void)peer;
	(void)socket;
	(void)packet;
	(void)len;
	(void)arg;
	back++;
}

static bool is_connected(void *arg)
{
	return peer_state(arg) == PEER_CONNECTED;
}

static bool is_back(void *arg)
{
	return back >= *(unsigned *)arg;
}

static void send_one(struct peer *peer, uint16_t seq)
{
	uint8_t packet[RTP_HEADER_LEN + PAYLOAD] = { 0x80, 96 };

	rtp_put16(packet + 2, seq);
	rtp_put32(packet + 4, seq * 300u);
	rtp_put32(packet + 8, 0xaabbcc10);
	memset(packet + RTP_HEADER_LEN, 0x42, PAYLOAD);
	(void)peer_send_rtp(peer, packet, sizeof(packet));
}

void measured(struct peer *peer)
{
	for (unsigned i = 0; i < FLIGHTS; i++) {
		unsigned wanted = back + FLIGHT;
		for (unsigned k = 0; k < FLIGHT; k++)
			send_one(peer, next_seq++);
		(void)one_mediad_until(&one, is_back, &wanted, LOST_US);
	}
}

/* The mediad takes its time with the keys on a busy machine. */
static bool warm_up(struct peer *peer)
{
	unsigned wanted = 1;

	for (unsigned tries = 0; tries < 50; tries++) {
		send_one(peer, next_seq++);
		if (one_mediad_until(&one, is_back, &wanted, LOST_US))
			return true;
	}
	return false;
}

int main(void)
{
	static const struct peer_ops ops = { .on_rtp = on_rtp };
	static struct one_answer answer;
	struct peer *peer;

	if (one_mediad_init(&one) < 0 || one_mediad_open(&one) < 0 || peer_start() < 0)
		return EXIT_FAILURE;
	const struct peer_config config = { .loop = one.loop, .ops = &ops };
	if (peer_new(&config, &peer) < 0)
		return EXIT_FAILURE;
	const struct msg_offer offer = one_mediad_offer_of(peer_ufrag(peer), peer_pwd(peer));
	one_mediad_offer(&one, &offer, NULL, &answer);
	const struct peer_remote remote = one_mediad_remote(&one, &answer, 0);
	if (peer_connect(peer, &remote) < 0 || !one_mediad_until(&one, is_connected, peer, WAIT_US))
		return EXIT_FAILURE;
	if (!warm_up(peer))
		return EXIT_FAILURE;
	(void)one_mediad_until(&one, is_back, &(unsigned){ back + FLIGHT }, LOST_US);
	unsigned before = back;
	measured(peer);
	unsigned came = back - before;
	printf("%u\n", came);
	peer_free(peer);
	one_mediad_close(&one);
	one_mediad_fini(&one);
	return came > FLIGHT * FLIGHTS * 9 / 10 ? EXIT_SUCCESS : EXIT_FAILURE;
}
