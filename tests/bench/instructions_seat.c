/* links: lab mediad */
/* What the media side does with a packet, for callgrind (tests/bench/instructions.mjs): one publishes a camera of one
 * layer and sound, ten watch, on the lab's clock, so the same packets in every run. Instructions are counted within
 * measured() alone; it says how many packets left meanwhile. */
#include "tests/lab/media_lab.h"

#include <stdio.h>
#include <stdlib.h>

enum { WATCHERS = 10, SECONDS = 10 };

__attribute__((noinline)) void measured(struct lab *lab);

void measured(struct lab *lab)
{
	lab_run(lab, SECONDS * USEC_PER_SEC);
}

int main(void)
{
	struct lab *lab = lab_new(1);
	struct lab_device *device[WATCHERS + 1];

	for (unsigned i = 0; i <= WATCHERS; i++) {
		device[i] = lab_device(lab, 0, 1, (uint8_t)(i + 1), 1);
		device[i]->audio.on = device[i]->video.on = i == 0;
		device[i]->video.bytes = 1100;
		if (lab_offer(device[i]) < 0)
			return EXIT_FAILURE;
		lab_connect(device[i]);
	}
	lab_run(lab, 2 * USEC_PER_SEC);
	uint64_t before = lab->rtp_out;
	measured(lab);
	printf("%llu\n", (unsigned long long)(lab->rtp_out - before));
	lab_free(lab);
	return EXIT_SUCCESS;
}
