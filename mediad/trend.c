#include "mediad/trend.h"

#include "lib/err.h"

#include <math.h>
#include <string.h>

#define SMOOTHING	0.9
#define GAIN		4.0
#define GROUPS_MAX	60 /* the slope counts by as many groups as there were, up to this */
#define THRESHOLD_BEGIN 12.5
#define THRESHOLD_MIN	6.0
#define THRESHOLD_MAX	600.0
#define THRESHOLD_UP	0.0087
#define THRESHOLD_DOWN	0.039
#define THRESHOLD_FAR	15.0 /* a slope that far above is a spike, which must not move the threshold */
#define OVER_MS		10.0
#define STEP_MAX_MS	100.0
#define JUMP_US		(3 * USEC_PER_SEC) /* the receiver's clock was set, or hours passed */
#define HELD_UP_US	(100 * USEC_PER_MSEC)

void trend_init(struct trend *trend)
{
	memset(trend, 0, sizeof(*trend));
	trend->threshold = THRESHOLD_BEGIN;
}

enum trend_state trend_state(const struct trend *trend)
{
	return trend->state;
}

/* Least squares over the points; 0 while there are too few. */
static double slope_of(const struct trend *trend)
{
	double at = 0, delay = 0, over = 0, under = 0;

	if (trend->points < TREND_WINDOW)
		return trend->slope_before;
	for (unsigned i = 0; i < TREND_WINDOW; i++) {
		at += trend->point[i].at_ms / TREND_WINDOW;
		delay += trend->point[i].delay_ms / TREND_WINDOW;
	}
	for (unsigned i = 0; i < TREND_WINDOW; i++) {
		double x = trend->point[i].at_ms - at;
		over += x * (trend->point[i].delay_ms - delay);
		under += x * x;
	}
	return under > 0 ? over / under : trend->slope_before;
}

static void move_threshold(struct trend *trend, double value, int64_t arrived_us)
{
	double away = fabs(value) - trend->threshold;
	double passed_ms = trend->threshold_us ? (double)(arrived_us - trend->threshold_us) / 1000.0 : 0;

	trend->threshold_us = arrived_us;
	if (away > THRESHOLD_FAR)
		return;
	trend->threshold += (away > 0 ? THRESHOLD_UP : THRESHOLD_DOWN) * away * MIN(passed_ms, STEP_MAX_MS);
	trend->threshold = MIN(MAX(trend->threshold, THRESHOLD_MIN), THRESHOLD_MAX);
}

static void detect(struct trend *trend, double slope, double sent_ms, int64_t arrived_us)
{
	double value = MIN(trend->groups, GROUPS_MAX) * slope * GAIN;

	if (value > trend->threshold) {
		/* It is not known when in the step it began. */
		trend->over_ms += trend->over_count == 0 ? sent_ms / 2 : sent_ms;
		trend->over_count++;
		if (trend->over_ms > OVER_MS && trend->over_count > 1 && slope >= trend->slope_before) {
			trend->over_ms = 0;
			trend->over_count = 0;
			trend->state = TREND_OVERUSE;
		}
	} else {
		trend->over_ms = 0;
		trend->over_count = 0;
		trend->state = value < -trend->threshold ? TREND_UNDERUSE : TREND_NORMAL;
	}
	trend->slope_before = slope;
	move_threshold(trend, value, arrived_us);
}

static void group_done(struct trend *trend)
{
	const struct trend_group *now = &trend->now, *before = &trend->before;
	double sent_ms = (double)(now->sent_us - before->sent_us) / 1000.0;
	double arrived_ms = (double)(now->arrived_us - before->arrived_us) / 1000.0;

	if (trend->origin_us == 0)
		trend->origin_us = now->arrived_us;
	trend->groups = MIN(trend->groups + 1, GROUPS_MAX);
	trend->delay_ms += arrived_ms - sent_ms;
	trend->smoothed_ms = SMOOTHING * trend->smoothed_ms + (1 - SMOOTHING) * trend->delay_ms;
	if (trend->points == TREND_WINDOW)
		memmove(trend->point, trend->point + 1, sizeof(trend->point[0]) * (TREND_WINDOW - 1));
	else
		trend->points++;
	trend->point[trend->points - 1].at_ms = (double)(now->arrived_us - trend->origin_us) / 1000.0;
	trend->point[trend->points - 1].delay_ms = trend->smoothed_ms;
	detect(trend, slope_of(trend), sent_ms, now->arrived_us);
}

/* Does the packet belong to the group that is being collected? */
static bool joins(const struct trend_group *group, int64_t sent_us, int64_t arrived_us)
{
	int64_t apart_us = arrived_us - group->arrived_us;

	if (sent_us - group->first_sent_us <= TREND_BURST_US)
		return true;
	/* Let go together: they came closer to each other than they were sent. */
	return apart_us <= TREND_BURST_US && apart_us < sent_us - group->sent_us &&
	       arrived_us - group->first_arrived_us < HELD_UP_US;
}

void trend_on_packet(struct trend *trend, int64_t sent_us, int64_t arrived_us)
{
	struct trend_group *now = &trend->now;

	if (now->used && sent_us < now->first_sent_us)
		return; /* told late: its group is done */
	if (now->used && (arrived_us - now->arrived_us > JUMP_US || now->arrived_us - arrived_us > JUMP_US))
		trend_init(trend);
	if (now->used && joins(now, sent_us, arrived_us)) {
		now->sent_us = MAX(now->sent_us, sent_us);
		now->arrived_us = MAX(now->arrived_us, arrived_us);
		return;
	}
	if (now->used) {
		if (trend->before.used)
			group_done(trend);
		trend->before = *now;
	}
	*now = (struct trend_group){
		.used = true,
		.first_sent_us = sent_us,
		.sent_us = sent_us,
		.first_arrived_us = arrived_us,
		.arrived_us = arrived_us,
	};
}
