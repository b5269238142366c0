/* Samples: see samples.h. */
#include "samples.h"

static uint64_t take(void *context, uint64_t pc, uint64_t address)
{
	struct glue *glue = context;
	uint64_t next = glue->work.sample + glue->every;

	if (glue->engine) {
		glue->engine->work = glue->work.seen;
		glue->engine->now = glue->clock + glue->work.seen;
	}
	if (glue->sampled)
		glue->api->sample_hit(glue->sampled, &glue->source, pc, address);
	else
		glue->sample(glue->context, pc, address);
	return next;
}

void samples_begin(struct glue *glue, uint64_t every, struct up_site *site)
{
	uint64_t executed = glue->work.seen;

	glue->every = every;
	glue->sampled = site;
	glue->work.take = take;
	work_sample(&glue->work, every ? executed - executed % every + every : UINT64_MAX);
}

void samples_look(struct glue *glue, uint64_t address)
{
	if (glue->every && glue->work.seen + 1 == glue->work.sample)
		glue->work.sample = take(glue, address, address);
}

void samples_hold(struct glue *glue, bool on)
{
	struct work *work = &glue->work;

	if (on && work->sample != UINT64_MAX)
		glue->held_sample = work->sample;
	if (on || glue->held_sample)
		work_sample(work, on ? UINT64_MAX : glue->held_sample);
	if (!on)
		glue->held_sample = 0;
}
