/* SPDX-License-Identifier: MIT */
/*
 * Attacks that are programs. Attempt and effect each run in a process of their own, which the attempt may
 * well kill. What the one wants to tell the other is in user_shared.
 */
#ifndef SECPOD_TESTS_ATTACKS_USER_H
#define SECPOD_TESTS_ATTACKS_USER_H

#include <stdbool.h>
#include <stdint.h>

#define USER_DETAIL_SIZE 128

struct user_shared {
	uint64_t value;
	char detail[USER_DETAIL_SIZE];
};

/* Shared by the runner and all its children; cleared before each attack. */
extern struct user_shared *user_shared;

/* Memory that the guest must not reach, or without SecPod what stands for it. */
extern uint64_t user_secure_base;
extern uint64_t user_secure_size;

struct user_attack {
	const char *name;
	const char *rules;	/* as of struct attack */
	bool (*possible)(void); /* NULL: always */
	int (*attempt)(void);	/* 0, or a negative errno when it could not be prepared */
	bool (*effect)(void);
};

extern const struct user_attack devmem_read, devmem_write, devmem_execute, devmem_rodata, user_call,
	user_kernel, user_pair, user_table, module_unlisted;

/* user_under_secpod - whether SecPod signs as the hypervisor. */
bool user_under_secpod(void);

/* user_control - a command of attack_device.h. Result: 0, or a negative errno. */
int user_control(unsigned long command, const void *argument);

/* user_try - function(argument), whatever signal it raises. Result: the signal, 0 for none. */
int user_try(void (*function)(void *argument), void *argument);

#endif
