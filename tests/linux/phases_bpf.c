/* SPDX-License-Identifier: MIT */
/* Programs for the kernel that it translates to machine code: socket filters, maps, system-call filters. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"

#define JIT "/proc/sys/net/core/bpf_jit_enable"
#define PACKETS 50u

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* ---- the old language */

/* Packets that begin with 'a' pass. */
static const struct sock_filter first_is_a[] = {
	{BPF_LD | BPF_B | BPF_ABS, 0, 0, 0},
	{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 'a'},
	{BPF_RET | BPF_K, 0, 0, 0xffffffff},
	{BPF_RET | BPF_K, 0, 0, 0},
};

static int classic(void)
{
	struct sock_fprog program = {COUNT_OF(first_is_a), (struct sock_filter *)first_is_a};
	unsigned int received = 0;
	char packet[8];
	int unused = 0;
	int fd[2];

	CHECK(put_text(JIT, "1") == 0);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
	CHECK(setsockopt(fd[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
	for (unsigned int i = 0; i < PACKETS; i++) {
		CHECK(send(fd[0], i % 3 ? "bad" : "aye", 3, 0) == 3);
		while (recv(fd[1], packet, sizeof(packet), 0) == 3) {
			CHECK(!memcmp(packet, "aye", 3));
			received++;
		}
	}
	CHECK(received == (PACKETS + 2) / 3);
	CHECK(setsockopt(fd[1], SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) == 0);
	CHECK(send(fd[0], "bad", 3, 0) == 3 && recv(fd[1], packet, sizeof(packet), 0) == 3);
	close(fd[0]);
	close(fd[1]);
	return 0;
}

static const struct sock_filter no_getppid[] = {
	{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
	{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_getppid},
	{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EXDEV},
	{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
};

/* No way back from it, but this process ends soon. */
static int seccomp(void)
{
	struct sock_fprog program = {COUNT_OF(no_getppid), (struct sock_filter *)no_getppid};

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	for (unsigned int i = 0; i < PACKETS; i++) {
		CHECK(syscall(SYS_getppid) == -1 && errno == EXDEV);
		CHECK(syscall(SYS_getpid) == getpid());
	}
	return 0;
}

/* ---- the new one */

#define MAP_FD_AT 3u
/* Adds 1 to the first value of a map; the result is that all of the packet passes. */
static struct bpf_insn counting[] = {
	{.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10, .off = -4, .imm = 0},
	{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10},
	{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4},
	{.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_1, .src_reg = BPF_PSEUDO_MAP_FD},
	{.code = 0},
	{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem},
	{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 2, .imm = 0},
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = 1},
	{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
	 .dst_reg = BPF_REG_0,
	 .src_reg = BPF_REG_1,
	 .imm = BPF_ADD},
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1},
	{.code = BPF_JMP | BPF_EXIT},
};

static int make_map(uint32_t entries)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = sizeof(uint64_t);
	attr.max_entries = entries;
	attr.map_flags = BPF_F_MMAPABLE;
	return bpf(BPF_MAP_CREATE, &attr);
}

static int load_program(uint32_t type, const struct bpf_insn *insns, uint32_t count)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = count;
	attr.license = (uintptr_t) "GPL";
	return bpf(BPF_PROG_LOAD, &attr);
}

static int load_counting(uint32_t type, int map)
{
	counting[MAP_FD_AT].imm = map;
	return load_program(type, counting, COUNT_OF(counting));
}

static bool is_translated(int program)
{
	struct bpf_prog_info info;
	union bpf_attr attr;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)program;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 && info.jited_prog_len > 0;
}

#define MAP_ENTRIES 4096u

/* The map is vmalloc memory that is seen here, too. */
static int filter_and_map(void)
{
	const size_t size = MAP_ENTRIES * sizeof(uint64_t);
	int map, program, fd[2];
	volatile uint64_t *values;
	char packet[8];

	CHECK(put_text(JIT, "1") == 0);
	map = make_map(MAP_ENTRIES);
	CHECK(map >= 0);
	values = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	CHECK(values != MAP_FAILED);
	program = load_counting(BPF_PROG_TYPE_SOCKET_FILTER, map);
	CHECK(program >= 0 && is_translated(program));
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fd) == 0);
	CHECK(setsockopt(fd[1], SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) == 0);
	for (uint64_t i = 1; i <= PACKETS; i++) {
		CHECK(send(fd[0], "packet", 6, 0) == 6);
		CHECK(recv(fd[1], packet, sizeof(packet), 0) == 6);
		CHECK(values[0] == i);
	}
	for (uint64_t i = 1; i < MAP_ENTRIES; i++)
		CHECK(values[i] == 0);
	CHECK(munmap((void *)values, size) == 0);
	close(fd[0]);
	close(fd[1]);
	close(program);
	close(map);
	return 0;
}

/* ---- many programs */

#define PROGRAMS 40
#define PROGRAM_LENGTH 400u

static uint32_t result_of(int program)
{
	static uint8_t packet[64];
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)program;
	attr.test.data_in = (uintptr_t)packet;
	attr.test.data_size_in = sizeof(packet);
	return bpf(BPF_PROG_TEST_RUN, &attr) == 0 ? attr.test.retval : 0;
}

/* Adds number as often as there is room. */
static int load_adding(int number)
{
	static struct bpf_insn insns[PROGRAM_LENGTH];

	insns[0] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0};
	for (size_t i = 1; i < PROGRAM_LENGTH - 1; i++)
		insns[i] = (struct bpf_insn){
			.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_0, .imm = number};
	insns[PROGRAM_LENGTH - 1] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
	return load_program(BPF_PROG_TYPE_SOCKET_FILTER, insns, PROGRAM_LENGTH);
}

static int many(void)
{
	int program[PROGRAMS];

	CHECK(put_text(JIT, "1") == 0);
	for (int i = 0; i < PROGRAMS; i++) {
		program[i] = load_adding(i + 1);
		CHECK(program[i] >= 0 && is_translated(program[i]));
	}
	for (int i = 0; i < PROGRAMS; i += 2)
		close(program[i]);
	for (int i = 0; i < PROGRAMS; i += 2) {
		program[i] = load_adding(i + 100);
		CHECK(program[i] >= 0);
	}
	for (int i = 0; i < PROGRAMS; i++)
		CHECK(result_of(program[i]) ==
		      (PROGRAM_LENGTH - 2) * (uint32_t)(i % 2 ? i + 1 : i + 100));
	for (int i = 0; i < PROGRAMS; i++)
		close(program[i]);
	return 0;
}

/* ---- a program at a probe */

#define KPROBE_TYPE "/sys/bus/event_source/devices/kprobe/type"

static int at_probe(void)
{
	struct perf_event_attr attr = {
		.type = (uint32_t)get_number(KPROBE_TYPE),
		.size = sizeof(attr),
		.kprobe_func = (uintptr_t) "__x64_sys_getppid",
		.disabled = 1,
	};
	volatile uint64_t *value;
	int map, program, event;

	CHECK(put_text(JIT, "1") == 0);
	map = make_map(1);
	CHECK(map >= 0);
	value = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, map, 0);
	CHECK(value != MAP_FAILED);
	program = load_counting(BPF_PROG_TYPE_KPROBE, map);
	CHECK(program >= 0);
	event = (int)syscall(SYS_perf_event_open, &attr, getpid(), -1, -1, PERF_FLAG_FD_CLOEXEC);
	CHECK(event >= 0);
	CHECK(ioctl(event, PERF_EVENT_IOC_SET_BPF, program) == 0);
	CHECK(ioctl(event, PERF_EVENT_IOC_ENABLE, 0) == 0);
	for (unsigned int i = 0; i < PACKETS; i++)
		syscall(SYS_getppid);
	CHECK(*value == PACKETS);
	close(event);
	close(program);
	close(map);
	return 0;
}

const struct phase phases_bpf[] = {
	{"bpf-classic", classic}, {"bpf-seccomp", seccomp}, {"bpf-filter", filter_and_map},
	{"bpf-many", many},	  {"bpf-kprobe", at_probe}, {NULL, NULL},
};
