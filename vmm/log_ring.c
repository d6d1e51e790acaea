/* SPDX-License-Identifier: MIT */
#include "vmm/log_ring.h"

#include <errno.h>

#define MIN_SIZE 1024u
#define MAX_SIZE (1u << 30)

/* In front of each line. Sequence numbers are consecutive, so that only the oldest one is kept. */
struct record {
	uint16_t length;
	uint8_t level;
	uint8_t zero;
};

static bool ring_lock(struct log_ring *ring)
{
	if (__atomic_load_n(&ring->unlocked, __ATOMIC_RELAXED))
		return false;
	spin_lock(&ring->lock);
	return true;
}

static void ring_unlock(struct log_ring *ring, bool locked)
{
	if (locked)
		spin_unlock(&ring->lock);
}

static void copy_in(struct log_ring *ring, uint64_t position, const void *from, size_t length)
{
	const uint8_t *bytes = from;

	for (size_t i = 0; i < length; i++)
		ring->bytes[(position + i) & (ring->size - 1)] = bytes[i];
}

static void copy_out(const struct log_ring *ring, uint64_t position, void *to, size_t length)
{
	uint8_t *bytes = to;

	for (size_t i = 0; i < length; i++)
		bytes[i] = ring->bytes[(position + i) & (ring->size - 1)];
}

static struct record record_at(const struct log_ring *ring, uint64_t position)
{
	struct record record;

	copy_out(ring, position, &record, sizeof(record));
	return record;
}

int log_ring_init(struct log_ring *ring, void *bytes, uint32_t size)
{
	if (size < MIN_SIZE || size > MAX_SIZE || (size & (size - 1)))
		return -EINVAL;
	*ring = (struct log_ring){.bytes = bytes, .size = size};
	return 0;
}

static void drop_oldest(struct log_ring *ring)
{
	ring->tail += sizeof(struct record) + record_at(ring, ring->tail).length;
	ring->oldest_seq++;
}

uint64_t log_ring_append(struct log_ring *ring, uint8_t level, const char *text, size_t length)
{
	struct record record = {.level = level};
	uint64_t seq;
	bool locked;

	record.length = (uint16_t)(length < LOG_LINE_MAX ? length : LOG_LINE_MAX);
	locked = ring_lock(ring);
	while (ring->size - (ring->head - ring->tail) < sizeof(record) + record.length)
		drop_oldest(ring);
	copy_in(ring, ring->head, &record, sizeof(record));
	copy_in(ring, ring->head + sizeof(record), text, record.length);
	ring->head += sizeof(record) + record.length;
	seq = ring->next_seq++;
	ring_unlock(ring, locked);
	return seq;
}

static int read_locked(const struct log_ring *ring, struct log_cursor *cursor, char *to,
		       size_t size, uint8_t *level, uint64_t *seq)
{
	struct record record;
	size_t length;

	if (cursor->seq < ring->oldest_seq)
		*cursor = (struct log_cursor){ring->oldest_seq, ring->tail};
	if (cursor->seq >= ring->next_seq)
		return -ENOENT;
	record = record_at(ring, cursor->position);
	/* A wrong cursor, or with the lock broken a record half written. */
	if (record.length > LOG_LINE_MAX)
		return -ENOENT;
	length = record.length < size - 1 ? record.length : size - 1;
	copy_out(ring, cursor->position + sizeof(record), to, length);
	to[length] = '\0';
	if (level)
		*level = record.level;
	if (seq)
		*seq = cursor->seq;
	cursor->seq++;
	cursor->position += sizeof(record) + record.length;
	return (int)length;
}

int log_ring_read(struct log_ring *ring, struct log_cursor *cursor, char *to, size_t size,
		  uint8_t *level, uint64_t *seq)
{
	bool locked;
	int result;

	if (size == 0)
		return -EINVAL;
	locked = ring_lock(ring);
	result = read_locked(ring, cursor, to, size, level, seq);
	ring_unlock(ring, locked);
	return result;
}

void log_ring_break_lock(struct log_ring *ring)
{
	__atomic_store_n(&ring->unlocked, true, __ATOMIC_RELAXED);
}
