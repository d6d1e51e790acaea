// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* /sys/kernel/secpod: version, phase, the counters of STATS, and rules/NAME with the records of each rule. */
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "secpod.h"

static const char *const phase_names[] = {"OFF", "GUEST", "ACTIVE", "LOCKED"};

static ssize_t version_show(struct kobject *kobject, struct kobj_attribute *attribute, char *to)
{
	struct secpod_info info;
	int error = secpod_get_info(&info);

	if (error)
		return error;
	return sysfs_emit(to, "%u.%u\n", info.abi_version >> 16, info.abi_version & 0xffff);
}

static ssize_t phase_show(struct kobject *kobject, struct kobj_attribute *attribute, char *to)
{
	struct secpod_info info;
	int error = secpod_get_info(&info);

	if (error)
		return error;
	return sysfs_emit(to, "%s\n",
			  info.phase < ARRAY_SIZE(phase_names) ? phase_names[info.phase] : "?");
}

static ssize_t redirected_show(struct kobject *kobject, struct kobj_attribute *attribute, char *to)
{
	return sysfs_emit(to, "%u\n", redirect_count());
}

static ssize_t rearmed_show(struct kobject *kobject, struct kobj_attribute *attribute, char *to)
{
	return sysfs_emit(to, "%u\n", lazy_count());
}

static struct kobj_attribute version_attribute = __ATTR_RO(version);
static struct kobj_attribute phase_attribute = __ATTR_RO(phase);
static struct kobj_attribute redirected_attribute = __ATTR_RO(redirected);
static struct kobj_attribute rearmed_attribute = __ATTR_RO(rearmed);

/* One number of STATS. */
struct counter {
	struct kobj_attribute attribute;
	size_t offset;
};

static ssize_t counter_show(struct kobject *kobject, struct kobj_attribute *attribute, char *to)
{
	const struct counter *counter = container_of(attribute, struct counter, attribute);
	struct secpod_stats *stats = kmalloc(sizeof(*stats), GFP_KERNEL);
	int result = stats ? secpod_get_stats(stats) : -ENOMEM;

	if (!result)
		result = sysfs_emit(to, "%llu\n", *(u64 *)((char *)stats + counter->offset));
	kfree(stats);
	return result;
}

#define COUNTER(file, member)                                       \
	{                                                           \
		{{.name = file, .mode = 0444}, counter_show, NULL}, \
			offsetof(struct secpod_stats, member)       \
	}

static struct counter counters[] = {
	COUNTER("cpus", cpus),
	COUNTER("exits", exits),
	COUNTER("pool_free", pool_free),
	COUNTER("log_written", log_written),
	COUNTER("log_read", log_read),
	COUNTER("log_lost", log_lost),
	COUNTER("console_suppressed", console_suppressed),
	COUNTER("hypercalls", hypercalls),
};

static struct counter rules[] = {
#define RULE_COUNTER(id, rule_name, refuses) COUNTER(rule_name, rule[SECPOD_RULE_##id]),
	SECPOD_RULES(RULE_COUNTER)
#undef RULE_COUNTER
};

static struct kobject *top, *rules_directory;

static int add_counters(struct kobject *directory, struct counter *list, size_t length)
{
	int error = 0;

	for (size_t i = 0; !error && i < length; i++) {
		sysfs_attr_init(&list[i].attribute.attr);
		error = sysfs_create_file(directory, &list[i].attribute.attr);
	}
	return error;
}

int counters_start(void)
{
	int error = -ENOMEM;

	top = kobject_create_and_add("secpod", kernel_kobj);
	rules_directory = top ? kobject_create_and_add("rules", top) : NULL;
	if (!rules_directory)
		goto out;
	error = sysfs_create_file(top, &version_attribute.attr);
	if (!error)
		error = sysfs_create_file(top, &phase_attribute.attr);
	if (!error)
		error = sysfs_create_file(top, &redirected_attribute.attr);
	if (!error)
		error = sysfs_create_file(top, &rearmed_attribute.attr);
	if (!error)
		error = add_counters(top, counters, ARRAY_SIZE(counters));
	if (!error)
		error = add_counters(rules_directory, rules, ARRAY_SIZE(rules));
out:
	if (error)
		counters_stop();
	return error;
}

void counters_stop(void)
{
	/* With all files in them. */
	kobject_put(rules_directory);
	kobject_put(top);
}
