// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The audit log is fetched at intervals: SecPod interrupts nobody. The records kept here are a copy for programs;
 * what counts as evidence is the log in the secure space, its counters and the serial line.
 */
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "secpod.h"

#define KEPT 1024u /* records; a power of two */
#define LEAST_INTERVAL 10u
#define BATCHES_MAX 64u /* fetched in one go, so that a flood does not keep a worker for ever */

static unsigned int log_interval = 1000;
module_param(log_interval, uint, 0444);
MODULE_PARM_DESC(log_interval,
		 "milliseconds between two looks at the audit log (default 1000, at least 10)");

static bool log_to_kernel = true;
module_param(log_to_kernel, bool, 0644);
MODULE_PARM_DESC(log_to_kernel, "show records in the kernel log as well (default yes)");

DECLARE_WAIT_QUEUE_HEAD(log_wait);

static DEFINE_SPINLOCK(lock);
static struct secpod_record *kept; /* ring of KEPT */
static u64 count;		   /* records that came here */
static struct secpod_record *batch;

static const char *const rule_names[] = {
#define RULE_NAME(id, name, refuses) name,
	SECPOD_RULES(RULE_NAME)
#undef RULE_NAME
};

static const char *const answer_names[SECPOD_ANSWER_COUNT] = {"off", "log", "deny", "panic"};

static const char *const detail_names[][SECPOD_RECORD_DETAILS] = {
#define DETAIL_NAMES(id, a, b, c, d) [SECPOD_RULE_##id] = {a, b, c, d},
	SECPOD_DETAILS(DETAIL_NAMES)
#undef DETAIL_NAMES
};

static void show(const struct secpod_record *record)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 10);
	char details[224] = "";
	size_t used = 0;

	if (!log_to_kernel || record->rule >= ARRAY_SIZE(rule_names) ||
	    record->answer >= SECPOD_ANSWER_COUNT || !__ratelimit(&limit))
		return;
	for (unsigned int i = 0; i < SECPOD_RECORD_DETAILS; i++) {
		const char *name = detail_names[record->rule][i];

		if (name && *name)
			used += scnprintf(details + used, sizeof(details) - used, " %s %#llx", name,
					  record->detail[i]);
	}
	if (record->code[0])
		scnprintf(details + used, sizeof(details) - used, " code %.*s%s",
			  (int)sizeof(record->code), record->code, record->gone ? " (gone)" : "");
	pr_warn("secpod: audit #%llu cpu %u %s %s rip %#llx cpl %u%s\n", record->seq, record->cpu,
		rule_names[record->rule], answer_names[record->answer], record->rip, record->cpl,
		details);
}

static void keep(const struct secpod_record *record)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	kept[count++ % KEPT] = *record;
	spin_unlock_irqrestore(&lock, flags);
}

static void fetch(struct work_struct *work);
static DECLARE_DELAYED_WORK(fetch_work, fetch);

static void fetch(struct work_struct *work)
{
	const unsigned int interval = max(log_interval, LEAST_INTERVAL);
	bool any = false;

	for (unsigned int turn = 0; turn < BATCHES_MAX; turn++) {
		long got = secpod_call(SECPOD_CALL_LOG_READ, virt_to_phys(batch),
				       SECPOD_LOG_READ_MAX, 0, 0);

		for (long i = 0; i < got; i++) {
			keep(&batch[i]);
			show(&batch[i]);
		}
		any |= got > 0;
		if (got < (long)SECPOD_LOG_READ_MAX)
			break;
	}
	if (any)
		wake_up_interruptible(&log_wait);
	schedule_delayed_work(&fetch_work, msecs_to_jiffies(interval));
}

static u64 oldest(void)
{
	return count > KEPT ? count - KEPT : 0;
}

void log_reader_init(struct log_reader *reader)
{
	reader->next = 0;
}

bool log_has_more(const struct log_reader *reader)
{
	return READ_ONCE(count) > reader->next;
}

bool log_next(struct log_reader *reader, struct secpod_record *record)
{
	unsigned long flags;
	bool found;

	spin_lock_irqsave(&lock, flags);
	reader->next = max(reader->next, oldest());
	found = reader->next < count;
	if (found)
		*record = kept[reader->next++ % KEPT];
	spin_unlock_irqrestore(&lock, flags);
	return found;
}

int log_start(void)
{
	BUILD_BUG_ON(SECPOD_LOG_READ_MAX * sizeof(*batch) > PAGE_SIZE);
	kept = kvcalloc(KEPT, sizeof(*kept), GFP_KERNEL);
	batch = (struct secpod_record *)__get_free_page(GFP_KERNEL);
	if (!kept || !batch) {
		kvfree(kept);
		free_page((unsigned long)batch);
		return -ENOMEM;
	}
	schedule_delayed_work(&fetch_work, 0);
	return 0;
}

void log_stop(void)
{
	cancel_delayed_work_sync(&fetch_work);
	kvfree(kept);
	free_page((unsigned long)batch);
}
