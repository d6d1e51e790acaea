/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "secpod/text/redirect.h"
#include "secpod/text/sites.h"

/* Bytes that may cross from one aligned word into the next. Where the second store fails the first is undone. */
static int put_bytes(const struct text_code *code, text_put put, uint64_t va, const uint8_t *bytes,
		     const uint8_t *before, uint32_t count)
{
	const uint32_t room = (uint32_t)(sizeof(uint64_t) - va % sizeof(uint64_t));
	const uint32_t first = count < room ? count : room;
	int error = put(code->context, va, bytes, first);

	if (error || first == count)
		return error;
	error = put(code->context, va + first, bytes + first, count - first);
	if (error)
		(void)put(code->context, va, before, first);
	return error;
}

/* A site of its own, so that what was measured is still known. */
static int put_site(struct text *text, const struct text_code *code, text_put put, uint64_t va,
		    const uint8_t *bytes, uint32_t count, enum patch_state state)
{
	struct text_site *site = text_site_new(text, code, va);
	int error;

	if (!site)
		return -ENOMEM;
	error = put_bytes(code, put, va, bytes, site->patch.original, count);
	if (error) {
		text_site_drop(text, va);
		return error;
	}
	site->state = (uint8_t)state;
	site->put = true;
	site->patch.extent = (uint8_t)count;
	text->stats.patches++;
	return 0;
}

/* The displacement of a jump or call that ends at end. Result: 0, -EINVAL: too far away. */
static int displace(uint64_t end, uint64_t target, uint8_t *to)
{
	const int64_t far = (int64_t)(target - end);
	const int32_t rel = (int32_t)far;

	memcpy(to, &rel, sizeof(rel));
	return rel == far ? 0 : -EINVAL;
}

static int redirect(struct text *text, const struct text_code *code, text_put put,
		    uint64_t function, uint64_t stub)
{
	const uint64_t begin = function - REDIRECT_BEFORE;
	const struct redirect_place *place;
	uint8_t entry[REDIRECT_ENTRY_LENGTH] = {0xeb}, room[REDIRECT_ROOM_LENGTH] = {0xe9};
	uint8_t now[REDIRECT_BYTES];
	int error;

	place = code->read(code->context, begin, now, sizeof(now)) ? NULL : redirect_match(now);
	if (!place)
		return -ENOENT;
	if (text_is_patched(text, begin + place->room, sizeof(room)) ||
	    text_is_patched(text, begin + place->entry, sizeof(entry)))
		return -EBUSY;
	error = displace(begin + place->room + sizeof(room), stub, room + 1);
	if (error)
		return error;
	entry[1] = (uint8_t)(place->room - (place->entry + sizeof(entry)));
	error = put_site(text, code, put, begin + place->room, room, sizeof(room), PATCH_JUMP);
	return error ? error
		     : put_site(text, code, put, begin + place->entry, entry, sizeof(entry),
				PATCH_JUMP);
}

int text_redirect(struct text *text, const struct text_code *code, text_put put, uint64_t function,
		  uint64_t stub)
{
	int error;

	if (function % REDIRECT_BEFORE)
		return -EINVAL;
	spin_lock(&text->lock);
	error = redirect(text, code, put, function, stub);
	spin_unlock(&text->lock);
	return error;
}

/* What Linux leaves of a paravirtual call of nothing (arch/x86/kernel/alternative.c), and what was there before. */
#define CALL_BYTES 5u
static const uint8_t call_absent[] = {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00};

static int rearm(struct text *text, const struct text_code *code, text_put put,
		 const struct secpod_call_site *call)
{
	uint8_t now[sizeof(call_absent)], bytes[sizeof(call_absent)] = {0xe8, [CALL_BYTES] = 0x90};
	int error;

	if (code->read(code->context, call->linear, now, sizeof(now)) ||
	    memcmp(now, call_absent, sizeof(now)))
		return -ENOENT;
	if (text_is_patched(text, call->linear, sizeof(now)))
		return -EBUSY;
	error = displace(call->linear + CALL_BYTES, call->stub, bytes + 1);
	return error ? error
		     : put_site(text, code, put, call->linear, bytes, sizeof(bytes), PATCH_CALL);
}

/* Where that fails there is no code any more. */
static void disarm(struct text *text, const struct text_code *code, text_put put, uint64_t va)
{
	(void)put_bytes(code, put, va, call_absent, call_absent, sizeof(call_absent));
	text_site_drop(text, va);
}

int text_rearm(struct text *text, const struct text_code *code, text_put put,
	       const struct secpod_call_site *calls, uint32_t count)
{
	uint32_t done = 0;
	int error = 0;

	spin_lock(&text->lock);
	while (!error && done < count) {
		error = rearm(text, code, put, &calls[done]);
		done += !error;
	}
	while (error && done)
		disarm(text, code, put, calls[--done].linear);
	spin_unlock(&text->lock);
	return error;
}
