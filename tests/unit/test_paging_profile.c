/* SPDX-License-Identifier: MIT */
/* The guest hands over the profile of its kernel, between ACTIVE and LOCKED: one holds whole, or none does. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/paging_world.h"
#include "vmm/guest_mem.h"

#include <cmocka.h>

#define ID_AT (PW_TEXT_PAGES * PAGE_SIZE + 8)
#define PLACES 600u /* so that it takes more than one page */
#define PLACE(i) ((i)*32u)
#define ELSEWHERE 16u

struct made {
	struct code_profile_header header;
	struct code_profile_site site[PLACES];
};
#define PAGES ((sizeof(struct made) + PAGE_SIZE - 1) / PAGE_SIZE)

_Static_assert(sizeof(struct made) % 8 == 0, "as a file has it");

static struct paging_world world;
static uint8_t *room;
static uint64_t list, page[PAGES]; /* gpas; the pages lie apart */
static uint32_t refused;
static uint64_t refused_va;
static bool let_pass;

static int read_code(void *context, uint64_t va, uint8_t *to, size_t len)
{
	(void)context;
	return va - PW_IMAGE < PW_TEXT_PAGES * PAGE_SIZE
		       ? guest_read(PW_IMAGE_GPA + (va - PW_IMAGE), to, len)
		       : -EFAULT;
}

static uint8_t *stored_at;
static uint8_t stored;

static int write_code(void *context)
{
	(void)context;
	*stored_at = stored;
	return 0;
}

static bool is_code(void *context, uint64_t va)
{
	(void)context;
	return va - PW_IMAGE < PW_TEXT_PAGES * PAGE_SIZE;
}

static const struct text_code code = {read_code, write_code, is_code, NULL, false};

static int patch(uint64_t offset, uint8_t byte)
{
	stored_at = world.ram + PW_IMAGE_GPA + offset;
	stored = byte;
	return text_store(&world.paging.text, &code, PW_IMAGE + offset, &byte, 1);
}

static bool refuse(void *context, const struct text_site *site, const uint8_t now[PATCH_BYTES],
		   const struct code_profile *profile)
{
	(void)context;
	assert_int_equal(now[0], PATCH_INT3);
	assert_int_equal(profile->sites, PLACES);
	refused++;
	refused_va = site->patch.va;
	return !let_pass;
}

static struct made made_profile(void)
{
	struct made made = {
		.header = {.magic = CODE_PROFILE_MAGIC,
			   .version = CODE_PROFILE_VERSION,
			   .size = sizeof(made),
			   .text = PW_TEXT_PAGES * PAGE_SIZE,
			   .sites = PLACES,
			   .id_at = ID_AT,
			   .id = "the kernel's own ID"},
	};

	for (uint32_t i = 0; i < PLACES; i++)
		made.site[i] = (struct code_profile_site){PLACE(i), 0, CODE_PROFILE_TRACE, 5, 0};
	return made;
}

/* To the guest's memory, page by page. */
static void put(const struct made *made)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		const uint64_t rest = sizeof(*made) - i * PAGE_SIZE;

		memcpy(world.ram + page[i], (const uint8_t *)made + i * PAGE_SIZE,
		       rest < PAGE_SIZE ? rest : PAGE_SIZE);
	}
}

static void open_room(void)
{
	const struct made made = made_profile();

	pw_open(&world);
	world.paging.profiled = true;
	world.paging.profile_room = room;
	memset(world.ram + PW_IMAGE_GPA, 0x48, PW_TEXT_PAGES * PAGE_SIZE);
	memcpy(world.ram + PW_IMAGE_GPA + ID_AT, made.header.id, sizeof(made.header.id));
	list = pw_frame(&world) << PAGE_SHIFT;
	for (uint64_t i = PAGES; i-- > 0;) {
		page[i] = pw_frame(&world) << PAGE_SHIFT;
		memcpy(world.ram + list + i * sizeof(page[i]), &page[i], sizeof(page[i]));
	}
	put(&made);
}

static int up(void **state)
{
	const char *failed;

	(void)state;
	room = calloc(1, CODE_PROFILE_ROOM);
	refused = 0;
	let_pass = false;
	open_room();
	assert_int_equal(paging_activate(&world.paging, &world.cpu[0], &world.swapper, 1, &failed),
			 0);
	return 0;
}

static int down(void **state)
{
	world.before_read = NULL;
	free(room);
	return pw_teardown(state);
}

static int take_so(uint64_t at, uint64_t bytes)
{
	return paging_take_profile(&world.paging, &world.cpu[0], at, bytes, &code, refuse);
}

static int take(void)
{
	return take_so(list, sizeof(struct made));
}

/* Nothing holds: patches are judged by their form alone, and it may be tried again. */
static void none_holds(void)
{
	assert_false(world.paging.text.profiled);
	assert_true(paging_wants_profile(&world.paging));
	assert_int_equal(patch(ELSEWHERE, PATCH_INT3), 0);
	assert_int_equal(patch(ELSEWHERE, 0x48), 0);
	assert_int_equal(world.paging.text.sites, 0);
}

static void it_holds_from_when_it_is_taken(void **state)
{
	const struct made made = made_profile();
	uint8_t digest[SHA256_BYTES];

	(void)state;
	none_holds();
	assert_int_equal(take(), 0);
	sha256(&made, sizeof(made), digest);
	assert_memory_equal(world.paging.text.profile.digest, digest, sizeof(digest));
	assert_int_equal(world.paging.text.profile.sites, PLACES);
	assert_false(paging_wants_profile(&world.paging));
	assert_int_equal(patch(PLACE(PLACES - 1), PATCH_INT3), 0);
	assert_int_equal(patch(ELSEWHERE, PATCH_INT3), -EPERM);
	assert_int_equal(refused, 0);
	/* What the guest has of it does not count any more. */
	memset(world.ram + page[0], 0, PAGE_SIZE);
	assert_int_equal(patch(PLACE(0), PATCH_INT3), 0);
}

static void one_holds_for_good(void **state)
{
	const struct made made = made_profile();
	struct made other = made;

	(void)state;
	assert_int_equal(take(), 0);
	other.header.sites = 0;
	other.header.size = sizeof(other.header);
	put(&other);
	assert_int_equal(take_so(list, sizeof(other.header)), -EPERM);
	assert_memory_equal(room, &made, sizeof(made));
	assert_int_equal(patch(PLACE(1), PATCH_INT3), 0);
	assert_false(paging_end_profile(&world.paging));
	assert_int_equal(world.paging.text.profile.sites, PLACES);
}

static void without_one_no_patch_is_let_through_from_locked_on(void **state)
{
	static const uint8_t none[SHA256_BYTES];

	(void)state;
	assert_true(paging_end_profile(&world.paging));
	assert_int_equal(take(), -EPERM);
	assert_int_equal(patch(PLACE(0), PATCH_INT3), -EPERM);
	assert_memory_equal(world.paging.text.profile.digest, none, sizeof(none));
	assert_false(paging_end_profile(&world.paging));
}

static void it_is_taken_where_it_is_waited_for_only(void **state)
{
	(void)state;
	world.paging.profile_room = NULL;
	assert_int_equal(take(), -EPERM);
	assert_false(paging_wants_profile(&world.paging));
	assert_false(paging_end_profile(&world.paging));
	assert_false(world.paging.text.profiled);
}

static void sizes_have_their_limits(void **state)
{
	const struct made made = made_profile();

	(void)state;
	assert_int_equal(take_so(list, 0), -EINVAL);
	/* One page more than there is room for, and the list goes on with one. */
	memset(world.ram + list + PAGE_SIZE, 0, sizeof(uint64_t));
	assert_int_equal(take_so(list, CODE_PROFILE_ROOM + 8), -EINVAL);
	put(&made);
	assert_int_equal(take_so(list, UINT64_MAX), -EINVAL);
	assert_int_equal(take_so(list, sizeof(struct made) - 8), -EINVAL);
	/* Pages behind the last are no memory: 0 is a page like others, so their bytes are none of a profile. */
	assert_int_equal(take_so(list, CODE_PROFILE_ROOM), -EINVAL);
	none_holds();
	assert_int_equal(take(), 0);
}

static void pages_are_the_guest_s(void **state)
{
	static const struct {
		uint64_t page;
		int error;
	} rows[] = {
		{PW_SECURE_BASE, -EFAULT},	   {PW_DEVICE, -EFAULT}, {PW_RAM, -EFAULT},
		{UINT64_MAX & PAGE_MASK, -EFAULT}, {1, -EINVAL},	 {UINT64_MAX, -EINVAL},
	};

	(void)state;
	for (uint64_t which = 0; which < PAGES; which++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			memcpy(world.ram + list + which * 8, &rows[i].page, 8);
			assert_int_equal(take(), rows[i].error);
			none_holds();
		}
		memcpy(world.ram + list + which * 8, &page[which], 8);
	}
	assert_int_equal(take_so(PW_SECURE_BASE, sizeof(struct made)), -EFAULT);
	assert_int_equal(take_so(PW_DEVICE - 8, sizeof(struct made)), -EFAULT);
	none_holds();
	assert_int_equal(take(), 0);
}

static void what_is_malformed_or_another_kernel_s_is_not_taken(void **state)
{
	struct made made = made_profile();

	(void)state;
	made.site[PLACES - 1].length = 3;
	put(&made);
	assert_int_equal(take(), -EINVAL);
	none_holds();
	made = made_profile();
	made.header.id[0]++;
	put(&made);
	assert_int_equal(take(), -ENOENT);
	none_holds();
	made = made_profile();
	put(&made);
	assert_int_equal(take(), 0);
}

/* What another CPU makes of list and pages while they are read. */
static uint32_t reads;

static void change_all(struct paging_world *w, uint64_t gpa)
{
	(void)gpa;
	if (reads--)
		return;
	w->before_read = NULL;
	memset(w->ram + list, 0xff, PAGE_SIZE);
	for (uint64_t i = 0; i < PAGES; i++)
		memset(w->ram + page[i], 0xff, PAGE_SIZE);
}

/* Before each read: whatever is judged is what was copied. */
static void a_change_meanwhile_is_of_no_matter(void **state)
{
	const uint64_t all = 1 + PAGES; /* the list, the pages; then it is the image that is read */
	const struct made made = made_profile();

	(void)state;
	for (uint32_t at = 0; at <= all; at++) {
		up(NULL);
		reads = at;
		world.before_read = change_all;
		/* Up to the last page it is not what was made; behind it nothing of it is read any more. */
		assert_int_equal(take(), at == all ? 0 : -EINVAL);
		assert_int_equal(world.paging.text.profiled, at == all);
		if (at == all)
			assert_memory_equal(room, &made, sizeof(made));
		down(NULL);
	}
}

/* While a CPU is at it. */
static int inner;

static void take_again(struct paging_world *w, uint64_t gpa)
{
	(void)gpa;
	w->before_read = NULL;
	inner = take();
}

static void lock_meanwhile(struct paging_world *w, uint64_t gpa)
{
	(void)gpa;
	w->before_read = NULL;
	assert_true(paging_end_profile(&w->paging));
}

static void one_cpu_is_at_it(void **state)
{
	(void)state;
	world.before_read = take_again;
	assert_int_equal(take(), 0);
	assert_int_equal(inner, -EBUSY);
}

static void locked_comes_first_or_last(void **state)
{
	(void)state;
	world.before_read = lock_meanwhile;
	assert_int_equal(take(), -EPERM);
	assert_int_equal(world.paging.text.profile.sites, 0);
	assert_int_equal(patch(PLACE(0), PATCH_INT3), -EPERM);
}

static void a_site_that_it_does_not_have_stands_in_the_way(void **state)
{
	(void)state;
	assert_int_equal(patch(ELSEWHERE, PATCH_INT3), 0);
	assert_int_equal(take(), -EACCES);
	assert_int_equal(refused, 1);
	assert_int_equal(refused_va, PW_IMAGE + ELSEWHERE);
	assert_false(world.paging.text.profiled);
	let_pass = true;
	assert_int_equal(take(), 0);
	assert_int_equal(refused, 2);
	assert_int_equal(patch(ELSEWHERE, 0x48), -EPERM);
}

#define THREADS 4u
static pthread_barrier_t together;

static void *hand_over(void *cpu)
{
	pthread_barrier_wait(&together);
	return (void *)(intptr_t)(paging_take_profile(&world.paging, cpu, list, sizeof(struct made),
						      &code, refuse)
					  ? 0
					  : 1);
}

static void *end_it(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&together);
	return (void *)(intptr_t)paging_end_profile(&world.paging);
}

/* Whoever is first: exactly one of them. */
static void on_all_cpus_at_once_one_is_first(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	assert_int_equal(pthread_barrier_init(&together, NULL, THREADS), 0);
	for (uint32_t round = 0; round < 200; round++) {
		intptr_t first = 0;

		world.paging.text.profiled = false;
		for (uint32_t i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, i ? hand_over : end_it,
							&world.cpu[i]),
					 0);
		for (uint32_t i = 0; i < THREADS; i++) {
			void *result;

			assert_int_equal(pthread_join(thread[i], &result), 0);
			first += (intptr_t)result;
		}
		assert_int_equal(first, 1);
		assert_true(world.paging.text.profile.sites == 0 ||
			    world.paging.text.profile.sites == PLACES);
		assert_false(world.paging.profile_busy);
	}
	pthread_barrier_destroy(&together);
}

int main(void)
{
#define ACTIVE(test) cmocka_unit_test_setup_teardown(test, up, down)
	const struct CMUnitTest tests[] = {
		ACTIVE(it_holds_from_when_it_is_taken),
		ACTIVE(one_holds_for_good),
		ACTIVE(without_one_no_patch_is_let_through_from_locked_on),
		ACTIVE(it_is_taken_where_it_is_waited_for_only),
		ACTIVE(sizes_have_their_limits),
		ACTIVE(pages_are_the_guest_s),
		ACTIVE(what_is_malformed_or_another_kernel_s_is_not_taken),
		cmocka_unit_test(a_change_meanwhile_is_of_no_matter),
		ACTIVE(one_cpu_is_at_it),
		ACTIVE(locked_comes_first_or_last),
		ACTIVE(a_site_that_it_does_not_have_stands_in_the_way),
		ACTIVE(on_all_cpus_at_once_one_is_first),
	};

	return cmocka_run_group_tests_name("paging_profile", tests, NULL, NULL);
}
