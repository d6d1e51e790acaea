/* SPDX-License-Identifier: MIT */
#include "boot/config.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "boot/text.h"
#include "vmm/handoff.h"

/* UEFI specification, "EFI Scan Codes for EFI_SIMPLE_TEXT_INPUT_PROTOCOL". */
#define SCAN_F1 0x0bu
#define SCAN_F11 0x15u
#define SCAN_ESC 0x17u

/* The 16550's clock divided by 16; every rate divides it. */
#define BAUD_BASE 115200u
/* A 16550 takes eight ports; below 0x100 lie the board's own devices. */
#define PORT_LOWEST 0x100u
#define PORT_HIGHEST 0xfff8u
#define PORT_COUNT 8u

struct choice {
	const char *word;
	uint32_t value;
};

struct config_key {
	const char *name;
	/* Store value at field. Result: 0 or a negative errno; then the field is unchanged. */
	int (*parse)(const struct config_key *key, const char *value, size_t length, void *field);
	size_t field;
	const char *fallback; /* written as in the file; empty: not set */
	const char *accepts;
	const struct choice *choices; /* ends with a NULL word */
	uint32_t max;
};

static const struct choice levels[] = {
	{"error", 0}, {"warning", 1}, {"info", 2}, {"debug", 3}, {NULL, 0},
};
static const struct choice failures[] = {
	{"boot", CONFIG_ON_FAILURE_BOOT},
	{"halt", CONFIG_ON_FAILURE_HALT},
	{NULL, 0},
};
static const struct choice locks[] = {
	{"boot", CONFIG_LOCK_BOOT},
	{"request", CONFIG_LOCK_REQUEST},
	{NULL, 0},
};
/* The first four as parse_switch() has them. */
static const struct choice profiles[] = {
	{"no", CONFIG_PROFILE_NONE},	     {"off", CONFIG_PROFILE_NONE},
	{"yes", CONFIG_PROFILE_FILE},	     {"on", CONFIG_PROFILE_FILE},
	{"request", CONFIG_PROFILE_REQUEST}, {NULL, 0},
};
static const struct choice panics[] = {
	{"halt", SECPOD_FAIL_HALT},
	{"reset", SECPOD_FAIL_RESET},
	{NULL, 0},
};
/* The places the PC gives its four serial ports. */
static const struct choice ports[] = {
	{"off", 0}, {"com1", 0x3f8}, {"com2", 0x2f8}, {"com3", 0x3e8}, {"com4", 0x2e8}, {NULL, 0},
};
static const struct choice named_keys[] = {
	{"none", 0},
	{"esc", CONFIG_KEY(SCAN_ESC, 0)},
	{"enter", CONFIG_KEY(0, '\r')},
	{"space", CONFIG_KEY(0, ' ')},
	{NULL, 0},
};
static const struct choice answers[] = {
	{"off", SECPOD_ANSWER_OFF},
	{"log", SECPOD_ANSWER_LOG},
	{"deny", SECPOD_ANSWER_DENY},
	{"panic", SECPOD_ANSWER_PANIC},
	{NULL, 0},
};

static int parse_choice(const struct config_key *key, const char *value, size_t length, void *field)
{
	for (const struct choice *choice = key->choices; choice->word != NULL; choice++) {
		if (text_equal(value, length, choice->word)) {
			*(uint32_t *)field = choice->value;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_answer(const struct config_key *key, const char *value, size_t length, void *field)
{
	uint32_t answer;

	if (parse_choice(key, value, length, &answer) != 0)
		return -EINVAL;
	*(uint8_t *)field = (uint8_t)answer;
	return 0;
}

/* Of rules about new code: "list" is deny, but for what the list has. */
static int parse_listed(const struct config_key *key, const char *value, size_t length, void *field)
{
	struct config *config = (struct config *)((char *)field - key->field);
	const size_t rule = key->field - offsetof(struct config, policy);

	if (!text_equal(value, length, "list"))
		return parse_answer(key, value, length, field);
	config->policy[rule] = SECPOD_ANSWER_DENY;
	config->listed |= 1ULL << rule;
	return 0;
}

static int parse_switch(const struct config_key *key, const char *value, size_t length, void *field)
{
	bool yes = text_equal(value, length, "on") || text_equal(value, length, "yes");

	(void)key;
	if (!yes && !text_equal(value, length, "off") && !text_equal(value, length, "no"))
		return -EINVAL;
	*(bool *)field = yes;
	return 0;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -EINVAL;
}

/* Decimal, or hexadecimal after 0x; nothing before, between or behind the digits. */
static int read_number(const char *value, size_t length, uint32_t max, uint32_t *number)
{
	int base = 10;
	uint64_t result = 0;

	if (length > 2 && value[0] == '0' && value[1] == 'x') {
		base = 16;
		value += 2;
		length -= 2;
	}
	if (length == 0)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		int digit = digit_of(value[i]);

		if (digit < 0 || digit >= base)
			return -EINVAL;
		result = result * (uint64_t)base + (uint64_t)digit;
		if (result > max)
			return -ERANGE;
	}
	*number = (uint32_t)result;
	return 0;
}

static int parse_number(const struct config_key *key, const char *value, size_t length, void *field)
{
	return read_number(value, length, key->max, field);
}

static int parse_port(const struct config_key *key, const char *value, size_t length, void *field)
{
	uint32_t port;

	if (parse_choice(key, value, length, field) == 0)
		return 0;
	if (read_number(value, length, PORT_HIGHEST, &port) != 0 || port < PORT_LOWEST ||
	    port % PORT_COUNT != 0)
		return -EINVAL;
	*(uint32_t *)field = port;
	return 0;
}

static int parse_baud(const struct config_key *key, const char *value, size_t length, void *field)
{
	uint32_t baud;

	if (read_number(value, length, key->max, &baud) != 0 ||
	    (baud != 0 && BAUD_BASE % baud != 0))
		return -EINVAL;
	*(uint32_t *)field = baud;
	return 0;
}

static int parse_key(const struct config_key *key, const char *value, size_t length, void *field)
{
	uint32_t number;

	if (parse_choice(key, value, length, field) == 0)
		return 0;
	if (length == 1 &&
	    ((value[0] >= 'a' && value[0] <= 'z') || (value[0] >= '0' && value[0] <= '9'))) {
		*(uint32_t *)field = CONFIG_KEY(0, value[0]);
		return 0;
	}
	if (length < 2 || value[0] != 'f' || value[1] == '0' ||
	    read_number(value + 1, length - 1, 12, &number) != 0)
		return -EINVAL;
	/* F11 and F12 do not follow F10 in the table of scan codes. */
	*(uint32_t *)field =
		CONFIG_KEY(number <= 10 ? SCAN_F1 + number - 1 : SCAN_F11 + number - 11, 0);
	return 0;
}

static int store_text(const char *value, size_t length, char *field, size_t size)
{
	uint16_t units[CONFIG_MAX_LINE + 1];

	if (length >= size)
		return -ERANGE;
	/* It will have to become UCS-2; refuse here what cannot. */
	if (text_to_ucs2(units, CONFIG_MAX_LINE + 1, value, length) < 0)
		return -EILSEQ;
	memcpy(field, value, length);
	field[length] = '\0';
	return 0;
}

static int parse_options(const struct config_key *key, const char *value, size_t length,
			 void *field)
{
	(void)key;
	return store_text(value, length, field, CONFIG_OPTIONS_LENGTH);
}

static int parse_path(const struct config_key *key, const char *value, size_t length, void *field)
{
	char *path = field;
	int error;

	(void)key;
	if (length != 0 && value[0] != '\\' && value[0] != '/')
		return -EINVAL;
	error = store_text(value, length, path, CONFIG_PATH_LENGTH);
	if (error)
		return error;
	for (; *path != '\0'; path++)
		if (*path == '/')
			*path = '\\';
	return 0;
}

/*
 * xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx. EFI_GUID keeps the first three groups as little-endian
 * integers, the others byte by byte: the table gives the place of each byte in the order it is
 * written.
 */
static int parse_guid(const struct config_key *key, const char *value, size_t length, void *field)
{
	static const uint8_t place[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	struct config_guid guid = {.set = length != 0};
	size_t at = 0;

	(void)key;
	for (size_t i = 0; guid.set && i < sizeof(place); i++) {
		int high, low;

		if (i == 4 || i == 6 || i == 8 || i == 10) {
			if (at >= length || value[at] != '-')
				return -EINVAL;
			at++;
		}
		if (length - at < 2)
			return -EINVAL;
		high = digit_of(value[at]);
		low = digit_of(value[at + 1]);
		if (high < 0 || low < 0)
			return -EINVAL;
		guid.bytes[place[i]] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	if (at != length)
		return -EINVAL;
	*(struct config_guid *)field = guid;
	return 0;
}

#define FIELD(name) offsetof(struct config, name)

#define POLICY_PREFIX "policy."
#define POLICY_KEY(id, rule, refuses)                                                             \
	{.name = POLICY_PREFIX rule,                                                              \
	 .parse = SECPOD_RULE_NEW_CODE(SECPOD_RULE_##id) ? parse_listed : parse_answer,           \
	 .field = FIELD(policy) + (size_t)SECPOD_RULE_##id,                                       \
	 .fallback = SECPOD_RULE_DEFAULT(SECPOD_RULE_##id) == SECPOD_ANSWER_LOG ? "log" : "deny", \
	 .accepts = SECPOD_RULE_NEW_CODE(SECPOD_RULE_##id) ? "off, log, list, deny, panic"        \
							   : "off, log, deny, panic",             \
	 .choices = answers},

static const struct config_key keys[] = {
	{.name = "secpod",
	 .parse = parse_switch,
	 .field = FIELD(enabled),
	 .fallback = "on",
	 .accepts = "on, off"},
	{.name = "next",
	 .parse = parse_path,
	 .field = FIELD(next),
	 .fallback = "",
	 .accepts = "a path that starts with \\, at most 255 bytes"},
	{.name = "next-volume",
	 .parse = parse_guid,
	 .field = FIELD(next_volume),
	 .fallback = "",
	 .accepts = "a partition GUID (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx)"},
	{.name = "options",
	 .parse = parse_options,
	 .field = FIELD(options),
	 .fallback = "",
	 .accepts = "UTF-8 text of the basic plane"},
	{.name = "log-level",
	 .parse = parse_choice,
	 .field = FIELD(log_level),
	 .fallback = "info",
	 .accepts = "error, warning, info, debug",
	 .choices = levels},
	/* An I/O port that is no 16550 can be anything: none is touched unasked. */
	{.name = "serial",
	 .parse = parse_port,
	 .field = FIELD(serial_port),
	 .fallback = "off",
	 .accepts = "off, com1 to com4, an I/O port from 0x100 to 0xfff8",
	 .choices = ports},
	{.name = "serial-baud",
	 .parse = parse_baud,
	 .field = FIELD(serial_baud),
	 .fallback = "115200",
	 .accepts = "0 or a divisor of 115200",
	 .max = BAUD_BASE},
	{.name = "on-failure",
	 .parse = parse_choice,
	 .field = FIELD(on_failure),
	 .fallback = "boot",
	 .accepts = "boot, halt",
	 .choices = failures},
	{.name = "on-panic",
	 .parse = parse_choice,
	 .field = FIELD(on_panic),
	 .fallback = "halt",
	 .accepts = "halt, reset",
	 .choices = panics},
	/* Nothing in a stock Linux confirms a boot: counting by default would turn SecPod off. */
	{.name = "boot-attempts",
	 .parse = parse_number,
	 .field = FIELD(boot_attempts),
	 .fallback = "0",
	 .accepts = "0 to 255",
	 .max = 255},
	{.name = "skip-key",
	 .parse = parse_key,
	 .field = FIELD(skip_key),
	 .fallback = "s",
	 .accepts = "none, esc, enter, space, a to z, 0 to 9, f1 to f12",
	 .choices = named_keys},
	{.name = "skip-timeout",
	 .parse = parse_number,
	 .field = FIELD(skip_timeout),
	 .fallback = "0",
	 .accepts = "0 to 60000 (milliseconds)",
	 .max = 60000},
	/* An idle machine is to have no exit: what is not asked for does not wake it up. */
	{.name = "descriptor-scan",
	 .parse = parse_number,
	 .field = FIELD(descriptor_scan),
	 .fallback = "0",
	 .accepts = "0 to 10000 (milliseconds)",
	 .max = 10000},
	{.name = "debug-stats",
	 .parse = parse_switch,
	 .field = FIELD(debug_stats),
	 .fallback = "no",
	 .accepts = "yes, no"},
	/* Without it whoever can write the kernel's memory can write its page tables, and so everything. */
	{.name = "paging-delegation",
	 .parse = parse_switch,
	 .field = FIELD(paging_delegation),
	 .fallback = "yes",
	 .accepts = "yes, no"},
	/* What runs before somebody asks runs unlocked. */
	{.name = "lock",
	 .parse = parse_choice,
	 .field = FIELD(lock),
	 .fallback = "boot",
	 .accepts = "boot, request",
	 .choices = locks},
	/* It must be made for the kernel that runs. */
	{.name = "code-profile",
	 .parse = parse_choice,
	 .field = FIELD(code_profile),
	 .fallback = "no",
	 .accepts = "yes, no, request",
	 .choices = profiles},
	/* clang-format off */
	SECPOD_RULES(POLICY_KEY)
	/* clang-format on */
};

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

const char *config_key_name(size_t index)
{
	return index < KEY_COUNT ? keys[index].name : NULL;
}

const char *config_key_default(size_t index)
{
	return index < KEY_COUNT ? keys[index].fallback : NULL;
}

static int parse_value(const struct config_key *key, const char *value, size_t length,
		       struct config *config)
{
	return key->parse(key, value, length, (char *)config + key->field);
}

void config_defaults(struct config *config)
{
	memset(config, 0, sizeof(*config));
	/* Places without a rule, too, must not read as "off". */
	memset(config->policy, SECPOD_ANSWER_DENY, sizeof(config->policy));
	for (size_t i = 0; i < KEY_COUNT; i++)
		parse_value(&keys[i], keys[i].fallback, strlen(keys[i].fallback), config);
}

struct parser {
	struct config *config;
	config_report report;
	void *context;
	unsigned int line;
	unsigned int problems;
	unsigned int set_on[KEY_COUNT]; /* line that set the key, 0 for none */
};

static void problem(struct parser *parser, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void problem(struct parser *parser, const char *format, ...)
{
	char text[CONFIG_PROBLEM_LENGTH];
	va_list arguments;

	va_start(arguments, format);
	text_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	parser->report(parser->context, parser->line, text);
	parser->problems++;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *length)
{
	while (*length != 0 && blank(**text)) {
		++*text;
		--*length;
	}
	while (*length != 0 && blank((*text)[*length - 1]))
		--*length;
}

static void assign(struct parser *parser, const char *name, size_t name_length, const char *value,
		   size_t value_length)
{
	/* What the file said, short enough to leave room for what is accepted instead. */
	char shown[24];

	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (!text_equal(name, name_length, keys[i].name))
			continue;
		text_printable(shown, sizeof(shown), value, value_length);
		if (parser->set_on[i] != 0)
			problem(parser, "%s is already set on line %u; this line is ignored",
				keys[i].name, parser->set_on[i]);
		else if (parse_value(&keys[i], value, value_length, parser->config) != 0)
			problem(parser, "%s = %s: wants %s", keys[i].name, shown, keys[i].accepts);
		else
			parser->set_on[i] = parser->line;
		return;
	}
	if (name_length >= strlen(POLICY_PREFIX) &&
	    text_equal(name, strlen(POLICY_PREFIX), POLICY_PREFIX)) {
		text_printable(shown, sizeof(shown), name + strlen(POLICY_PREFIX),
			       name_length - strlen(POLICY_PREFIX));
		problem(parser, "unknown rule %s; the policy does not change", shown);
		return;
	}
	text_printable(shown, sizeof(shown), name, name_length);
	problem(parser, "unknown key %s", shown);
}

static void parse_line(struct parser *parser, const char *line, size_t length)
{
	const char *equals;
	const char *name = line;
	const char *value;
	size_t name_length, value_length;

	if (length > CONFIG_MAX_LINE) {
		problem(parser, "longer than %u bytes", CONFIG_MAX_LINE);
		return;
	}
	if (memchr(line, '\0', length) != NULL) {
		problem(parser, "contains a NUL byte");
		return;
	}
	trim(&line, &length);
	if (length == 0 || *line == '#')
		return;
	equals = memchr(line, '=', length);
	if (equals == NULL) {
		problem(parser, "is not of the form key = value");
		return;
	}
	name = line;
	name_length = (size_t)(equals - line);
	value = equals + 1;
	value_length = length - name_length - 1;
	trim(&name, &name_length);
	trim(&value, &value_length);
	assign(parser, name, name_length, value, value_length);
}

/* Result: false when the file as a whole cannot be read. */
static bool check_file(struct parser *parser, const char **text, size_t *size)
{
	if (*size > CONFIG_MAX_SIZE) {
		problem(parser, "larger than %u bytes; the defaults are used", CONFIG_MAX_SIZE);
		return false;
	}
	if (*size >= 2 &&
	    (memcmp(*text, "\xff\xfe", 2) == 0 || memcmp(*text, "\xfe\xff", 2) == 0)) {
		problem(parser, "UTF-16 text: save it as UTF-8; the defaults are used");
		return false;
	}
	/* Some editors mark UTF-8. */
	if (*size >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) {
		*text += 3;
		*size -= 3;
	}
	return true;
}

/* What no line is wrong about. */
static void check_whole(struct parser *parser)
{
	const struct config *config = parser->config;

	parser->line = 0;
	if (config->code_profile == CONFIG_PROFILE_REQUEST && config->lock != CONFIG_LOCK_REQUEST)
		problem(parser,
			"code-profile = request without lock = request: nobody can hand one "
			"over, no patch is in it");
}

unsigned int config_parse(const char *text, size_t size, struct config *config,
			  config_report report, void *context)
{
	struct parser parser = {.config = config, .report = report, .context = context};

	config_defaults(config);
	if (!check_file(&parser, &text, &size))
		return parser.problems;
	while (size != 0) {
		const char *end = memchr(text, '\n', size);
		size_t step = end != NULL ? (size_t)(end - text) + 1 : size;
		size_t length = end != NULL ? step - 1 : size;

		if (length != 0 && text[length - 1] == '\r')
			length--;
		parser.line++;
		parse_line(&parser, text, length);
		text += step;
		size -= step;
	}
	check_whole(&parser);
	return parser.problems;
}
