/* tools/measure.h - what a packet costs this machine: encrypted and sent, received and decrypted, over loopback.
 *
 * A loop in this process, in CPU time of its one thread: AES-128-GCM by OpenSSL, sendmmsg and recvmmsg of 64, 1200
 * bytes each. On loopback the kernel bills the way through the receiver's half of the network stack to the sender, as a
 * real network card does not. Other load of the machine makes it last longer and hardly dearer. Errors: -errno; -EIO
 * when OpenSSL has no such cipher, or nothing arrives. */
#ifndef PARLEY_TOOLS_MEASURE_H
#define PARLEY_TOOLS_MEASURE_H

#include <stdint.h>

struct measured {
	double out_us, in_us; /* encrypt and send; receive and decrypt */
	uint64_t packets;
};

int measure_packets(double seconds, struct measured *ret_measured);

#endif
