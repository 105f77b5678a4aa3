/* bare - what sending costs on this machine when nothing but encryption and sending is done: packets of one stream for
 * many receivers, AES-128-GCM by OpenSSL (one keyed context a receiver, as egress has), in messages of 1 … 64 packets
 * (UDP_SEGMENT), 64 messages a sendmmsg.
 *
 *     bare [--receivers N] [--bytes N] [--seconds S] RUN...
 *
 * For each RUN, how many packets go to one receiver in a message, it prints a line of JSON: CPU nanoseconds of this
 * process a packet. The receivers are sockets of this machine that a second process reads with UDP_GRO; its CPU time is
 * not counted, but what the kernel does to deliver is: on loopback that is billed to who sends. */
#include "lib/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGES = 64, RUN_MAX = 64, BYTES_MAX = 1400, HEADER = 12, TAG = 16, RECEIVERS_MAX = 2000, LUMPS = 8 };

struct receiver {
	int fd;
	struct sockaddr_in address;
	EVP_CIPHER_CTX *cipher;
};

static struct receiver *receivers;
static unsigned receivers_len = 200, bytes = 1200;
static uint8_t plain[BYTES_MAX];

static void die(const char *what)
{
	fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void receiver_open(struct receiver *r)
{
	socklen_t len = sizeof(r->address);
	uint8_t key[16] = "an example's key";
	const int on = 1, room = 1 << 20;

	r->address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	r->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0 || bind(r->fd, (struct sockaddr *)&r->address, sizeof(r->address)) < 0 ||
	    getsockname(r->fd, (struct sockaddr *)&r->address, &len) < 0)
		die("a receiver's socket");
	(void)setsockopt(r->fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
	if (setsockopt(r->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	r->cipher = EVP_CIPHER_CTX_new();
	if (!r->cipher || EVP_EncryptInit_ex(r->cipher, EVP_aes_128_gcm(), NULL, key, NULL) != 1)
		die("a cipher");
}

/* ---- the process that reads ---- */

static void read_all(void)
{
	static uint8_t lump[LUMPS][UINT16_MAX];
	struct mmsghdr msg[LUMPS];
	struct iovec iov[LUMPS];
	struct epoll_event ready[64];
	int poll_fd = epoll_create1(EPOLL_CLOEXEC);

	for (unsigned i = 0; i < receivers_len; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = receivers[i].fd };
		if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, receivers[i].fd, &e) < 0)
			die("epoll");
	}
	for (unsigned i = 0; i < LUMPS; i++) {
		iov[i] = (struct iovec){ lump[i], sizeof(lump[i]) };
		msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	for (;;) {
		int n = epoll_wait(poll_fd, ready, 64, -1);
		for (int i = 0; i < n; i++)
			(void)recvmmsg(ready[i].data.fd, msg, LUMPS, MSG_DONTWAIT, NULL);
	}
}

static pid_t reader_start(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(EXIT_FAILURE);
		read_all();
	}
	return pid;
}

/* ---- the loop ---- */

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* One SRTP packet: header, ciphertext, tag. */
static void encrypt(struct receiver *r, uint64_t index, uint8_t *out)
{
	uint8_t iv[12] = { 0 };
	int n, rest = (int)bytes - HEADER - TAG;

	memcpy(iv + 4, &index, sizeof(index));
	memcpy(out, plain, HEADER);
	out[2] = (uint8_t)(index >> 8);
	out[3] = (uint8_t)index;
	if (EVP_EncryptInit_ex(r->cipher, NULL, NULL, NULL, iv) != 1 ||
	    EVP_EncryptUpdate(r->cipher, NULL, &n, out, HEADER) != 1 ||
	    EVP_EncryptUpdate(r->cipher, out + HEADER, &n, plain + HEADER, rest) != 1 ||
	    EVP_EncryptFinal_ex(r->cipher, out + HEADER + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(r->cipher, EVP_CTRL_GCM_GET_TAG, TAG, out + bytes - TAG) != 1)
		die("encrypt");
}

struct batch {
	uint8_t (*data)[RUN_MAX * BYTES_MAX];
	struct mmsghdr msg[MESSAGES];
	struct iovec iov[MESSAGES];
	union {
		char space[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} control[MESSAGES];
};

static void message_fill(struct batch *b, unsigned k, struct receiver *to, unsigned run, uint64_t index)
{
	const uint16_t size = (uint16_t)bytes;

	for (unsigned i = 0; i < run; i++)
		encrypt(to, index + i, b->data[k] + i * bytes);
	b->iov[k] = (struct iovec){ b->data[k], (size_t)run * bytes };
	b->msg[k].msg_hdr = (struct msghdr){
		.msg_name = &to->address, .msg_namelen = sizeof(to->address), .msg_iov = &b->iov[k], .msg_iovlen = 1
	};
	if (run == 1)
		return;
	b->msg[k].msg_hdr.msg_control = &b->control[k];
	b->msg[k].msg_hdr.msg_controllen = sizeof(b->control[k]);
	struct cmsghdr *c = CMSG_FIRSTHDR(&b->msg[k].msg_hdr);
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
}

/* What a server has to do for every packet of one stream that comes, and nothing else. */
static void measure(struct batch *b, int fd, unsigned run, double seconds)
{
	uint64_t packets = 0, index = 0;
	unsigned next = 0;
	int64_t end_us = clock_now_us() + (int64_t)(seconds * 1e6);
	double before = cpu_ns();

	while (clock_now_us() < end_us) {
		for (unsigned k = 0; k < MESSAGES; k++) {
			message_fill(b, k, &receivers[next], run, index);
			next = (next + 1) % receivers_len;
			index += next == 0 ? run : 0;
		}
		for (unsigned done = 0; done < MESSAGES;) {
			int n = sendmmsg(fd, b->msg + done, MESSAGES - done, 0);
			if (n < 0)
				die("sendmmsg");
			done += (unsigned)n;
		}
		packets += (uint64_t)MESSAGES * run;
	}
	printf("{\"run\":%u,\"bytes\":%u,\"receivers\":%u,\"packets\":%llu,\"ns_per_packet\":%.1f}\n", run, bytes,
	       receivers_len, (unsigned long long)packets, (cpu_ns() - before) / (double)packets);
}

static const struct option options[] = {
	{ "receivers", required_argument, NULL, 'r' },
	{ "bytes", required_argument, NULL, 'b' },
	{ "seconds", required_argument, NULL, 's' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	double seconds = 1;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r')
			receivers_len = (unsigned)atoi(optarg);
		else if (option == 'b')
			bytes = (unsigned)atoi(optarg);
		else if (option == 's')
			seconds = atof(optarg);
		else
			return 2;
	}
	if (optind == argc || receivers_len < 1 || receivers_len > RECEIVERS_MAX || bytes < 100 || bytes > BYTES_MAX ||
	    seconds <= 0) {
		fputs("usage: bare [--receivers N] [--bytes N] [--seconds S] RUN...\n", stderr);
		return 2;
	}
	plain[0] = 0x80;
	plain[1] = 96;
	struct batch *b = calloc(1, sizeof(*b));
	receivers = calloc(receivers_len, sizeof(*receivers));
	if (b)
		b->data = calloc(MESSAGES, sizeof(*b->data));
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!b || !receivers || !b->data || fd < 0)
		die("memory");
	for (unsigned i = 0; i < receivers_len; i++)
		receiver_open(&receivers[i]);
	pid_t reader = reader_start();
	for (int i = optind; i < argc; i++) {
		int run = atoi(argv[i]);
		if (run < 1 || run > RUN_MAX || (unsigned)run * bytes > 65000) {
			fprintf(stderr, "bare: runs of 1 to %d packets, 65,000 bytes at most\n", RUN_MAX);
			continue;
		}
		measure(b, fd, (unsigned)run, seconds);
		fflush(stdout);
	}
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
	return EXIT_SUCCESS;
}
