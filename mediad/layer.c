#include "mediad/layer.h"

#define DEFAULT_HEIGHT 720 /* of the highest layer */

unsigned layer_height(const struct layer_set *set, unsigned layer)
{
	for (unsigned distance = 0; distance < set->n; distance++) {
		if (layer >= distance && set->layer[layer - distance].height)
			return (unsigned)set->layer[layer - distance].height << distance;
		if (layer + distance < set->n && set->layer[layer + distance].height)
			return MAX(set->layer[layer + distance].height >> distance, 1);
	}
	return DEFAULT_HEIGHT >> (set->n - 1 - layer);
}

/* The smallest layer whose pictures, stretched by a tenth when tenths is 11, are as high as the tile. */
static unsigned covering(const struct layer_set *set, unsigned tile, unsigned tenths)
{
	for (unsigned i = 0; i + 1 < set->n; i++) {
		if (layer_height(set, i) * tenths >= tile * 10)
			return i;
	}
	return set->n - 1;
}

static unsigned nearest_sent(const struct layer_set *set, unsigned layer)
{
	for (unsigned i = layer + 1; i-- > 0;) {
		if (set->layer[i].sent)
			return i;
	}
	for (unsigned i = layer + 1; i < set->n; i++) {
		if (set->layer[i].sent)
			return i;
	}
	return layer;
}

void layer_choose(struct layer_choice *choice, const struct layer_set *set, uint16_t tile_height, unsigned limit,
		  int64_t now_us)
{
	/* As it is and stretched by a tenth: between the two, what was chosen stays. */
	unsigned high = covering(set, tile_height, 10), low = covering(set, tile_height, 11);
	unsigned covers = choice->covers;

	if (!choice->made || covers >= set->n) {
		covers = high;
		choice->lower_us = 0;
	} else if (covers < low) {
		covers = low;
		choice->lower_us = 0;
	} else if (covers <= high) {
		choice->lower_us = 0;
	} else if (choice->lower_us == 0) {
		choice->lower_us = now_us;
	} else if (now_us - choice->lower_us >= LAYER_PATIENCE_US) {
		covers = high;
		choice->lower_us = 0;
	}
	choice->made = true;
	choice->covers = (uint8_t)covers;
	choice->wanted = (uint8_t)MIN(covers, MAX(limit, 1) - 1);
	choice->target = (uint8_t)nearest_sent(set, choice->wanted);
	if (set->layer[choice->wanted].sent)
		choice->missing_us = 0;
	else if (choice->missing_us == 0)
		choice->missing_us = now_us;
	choice->missing = choice->missing_us && now_us - choice->missing_us >= LAYER_PATIENCE_US;
}

unsigned layer_steps(const struct layer_set *set, struct layer_step ret_step[LAYER_STEPS_MAX])
{
	unsigned n = 0, layers = MAX(set->n, 1);

	for (unsigned i = 0; i < layers; i++) {
		unsigned most = MIN(set->layer[i].temporals, LAYER_TEMPORALS_MAX);
		unsigned left_out = layers == 1 ? MAX(most, 1) - 1 : i > 0 && most > 1;
		for (left_out++; left_out-- > 0;)
			ret_step[n++] =
				(struct layer_step){ .layers = (uint8_t)(i + 1), .left_out = (uint8_t)left_out };
	}
	return n;
}

unsigned layer_share(const struct layer_set *set, const struct layer_step *step)
{
	return step->left_out ? set->layer[step->layers - 1].less[step->left_out - 1] : UINT8_MAX;
}

void layer_mark_sent(struct layer_set *set, const int64_t last_us[SESSION_LAYERS_MAX])
{
	int64_t newest_us = 0;

	for (unsigned i = 0; i < set->n; i++)
		newest_us = MAX(newest_us, last_us[i]);
	for (unsigned i = 0; i < set->n; i++)
		set->layer[i].sent = last_us[i] && newest_us - last_us[i] <= LAYER_DRY_US;
}
