#include "tools/measure.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/err.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, HEADER = 12, PACKET = 1200, TAG = 16, IV = 12, QUEUE_BYTES = 4 * 1024 * 1024 };

struct loop_packets {
	int out_fd, in_fd;
	struct sockaddr_in to;
	EVP_CIPHER_CTX *seal, *open;
	uint8_t plain[PACKET];
	uint8_t packet[BATCH][PACKET + TAG];
	struct iovec iov[BATCH];
	struct mmsghdr msg[BATCH];
	uint64_t sealed, opened;
};

static int socket_open(struct sockaddr_in *ret_address)
{
	const int bytes = QUEUE_BYTES;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	*ret_address = address;
	return STEAL_FD(fd);
}

static int loop_open(struct loop_packets *l)
{
	static const uint8_t key[16] = { 0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6 };
	struct sockaddr_in from;

	l->out_fd = socket_open(&from);
	l->in_fd = socket_open(&l->to);
	if (l->out_fd < 0 || l->in_fd < 0)
		return l->out_fd < 0 ? l->out_fd : l->in_fd;
	l->seal = EVP_CIPHER_CTX_new();
	l->open = EVP_CIPHER_CTX_new();
	if (!l->seal || !l->open)
		return -ENOMEM;
	if (EVP_EncryptInit_ex(l->seal, EVP_aes_128_gcm(), NULL, key, NULL) != 1 ||
	    EVP_DecryptInit_ex(l->open, EVP_aes_128_gcm(), NULL, key, NULL) != 1)
		return -EIO;
	for (unsigned i = 0; i < PACKET; i++)
		l->plain[i] = (uint8_t)(i * 7);
	for (unsigned i = 0; i < BATCH; i++)
		l->iov[i] = (struct iovec){ l->packet[i], sizeof(l->packet[i]) };
	return 0;
}

static void loop_close(struct loop_packets *l)
{
	if (l->out_fd >= 0)
		close(l->out_fd);
	if (l->in_fd >= 0)
		close(l->in_fd);
	EVP_CIPHER_CTX_free(l->seal);
	EVP_CIPHER_CTX_free(l->open);
}

/* Each packet has an index of its own, of which the IV is made, as in SRTP. */
static void iv_make(uint64_t index, uint8_t ret_iv[IV])
{
	memset(ret_iv, 0x5a, IV);
	for (unsigned i = 0; i < 8; i++)
		ret_iv[4 + i] ^= (uint8_t)(index >> (8 * i));
}

static bool seal_one(struct loop_packets *l, uint8_t *packet)
{
	uint8_t iv[IV];
	int n;

	/* Each receiver's copy of the one in the ring. */
	memcpy(packet, l->plain, PACKET);
	memcpy(packet + 2, &l->sealed, sizeof(l->sealed));
	iv_make(l->sealed++, iv);
	return EVP_EncryptInit_ex(l->seal, NULL, NULL, NULL, iv) == 1 &&
	       EVP_EncryptUpdate(l->seal, NULL, &n, packet, HEADER) == 1 &&
	       EVP_EncryptUpdate(l->seal, packet + HEADER, &n, packet + HEADER, PACKET - HEADER) == 1 &&
	       EVP_EncryptFinal_ex(l->seal, packet + PACKET, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(l->seal, EVP_CTRL_GCM_GET_TAG, TAG, packet + PACKET) == 1;
}

static bool open_one(struct loop_packets *l, uint8_t *packet)
{
	uint8_t iv[IV];
	uint64_t index;
	int n;

	memcpy(&index, packet + 2, sizeof(index));
	iv_make(index, iv);
	return EVP_DecryptInit_ex(l->open, NULL, NULL, NULL, iv) == 1 &&
	       EVP_DecryptUpdate(l->open, NULL, &n, packet, HEADER) == 1 &&
	       EVP_DecryptUpdate(l->open, packet + HEADER, &n, packet + HEADER, PACKET - HEADER) == 1 &&
	       EVP_CIPHER_CTX_ctrl(l->open, EVP_CTRL_GCM_SET_TAG, TAG, packet + PACKET) == 1 &&
	       EVP_DecryptFinal_ex(l->open, packet + PACKET, &n) == 1;
}

static int send_some(struct loop_packets *l)
{
	for (unsigned i = 0; i < BATCH; i++) {
		if (!seal_one(l, l->packet[i]))
			return -EIO;
		l->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &l->to, .msg_namelen = sizeof(l->to), .msg_iov = &l->iov[i], .msg_iovlen = 1
		};
	}
	for (int done = 0; done < BATCH;) {
		int n = sendmmsg(l->out_fd, l->msg + done, (unsigned)(BATCH - done), 0);
		if (n < 0)
			return -errno;
		done += n;
	}
	return 0;
}

static int receive_some(struct loop_packets *l)
{
	for (;;) {
		for (unsigned i = 0; i < BATCH; i++)
			l->msg[i].msg_hdr = (struct msghdr){ .msg_iov = &l->iov[i], .msg_iovlen = 1 };
		int n = recvmmsg(l->in_fd, l->msg, BATCH, MSG_DONTWAIT, NULL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (int i = 0; i < n; i++) {
			if (l->msg[i].msg_len != PACKET + TAG)
				continue; /* somebody else's */
			if (!open_one(l, l->packet[i]))
				return -EIO;
			l->opened++;
		}
		if (n < BATCH)
			return 0;
	}
}

int measure_packets(double seconds, struct measured *ret)
{
	struct loop_packets *l = calloc(1, sizeof(*l));
	int64_t until_us = clock_now_us() + (int64_t)(seconds * USEC_PER_SEC), out_us = 0, in_us = 0;

	if (!l)
		return -ENOMEM;
	int err = loop_open(l);
	while (err == 0 && clock_now_us() < until_us) {
		int64_t from_us = clock_cpu_us();
		err = send_some(l);
		int64_t sent_us = clock_cpu_us();
		if (err == 0)
			err = receive_some(l);
		out_us += sent_us - from_us;
		in_us += clock_cpu_us() - sent_us;
	}
	if (err == 0 && l->opened == 0)
		err = -EIO;
	if (err == 0)
		*ret = (struct measured){
			.out_us = (double)out_us / (double)l->sealed,
			.in_us = (double)in_us / (double)l->opened,
			.packets = l->opened,
		};
	loop_close(l);
	free(l);
	return err;
}
