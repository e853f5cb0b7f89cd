/* Values as people read them: grouped sums, minutes of UTC, ids by their tail. */
#ifndef BANKTERM_SHOW_H
#define BANKTERM_SHOW_H

#include "common/buf.h"
#include "common/ident.h"
#include "proto/proto.h"

#include <stddef.h>
#include <stdint.h>

/* All return out. */
const char *show_money(int64_t minor, uint8_t exponent, char *out, size_t size);
/* With the currency's code behind it. */
const char *show_sum(int64_t minor, struct slice currency, char *out, size_t size);
/* At most about 8 characters: "1.24M"; for tiles and axes. */
const char *show_short_money(int64_t minor, uint8_t exponent, char *out, size_t size);
const char *show_short_sum(int64_t minor, struct slice currency, char *out, size_t size);
const char *show_short_count(int64_t count, char *out, size_t size);
const char *show_count(int64_t count, char *out, size_t size);          /* "1,204" */
const char *show_share(int64_t basis_points, char *out, size_t size);   /* "12.34%" */
const char *show_percent(int64_t basis_points, char *out, size_t size); /* "12%", rounded */
/* A figure in the unit that the protocol names: money of the currency, "12.34%", "3 h", "1,204". */
const char *show_figure(int64_t value, struct slice unit, struct slice currency, char *out,
                        size_t size);
const char *show_minute(int64_t at_us, char *out, size_t size); /* "2026-11-22 16:18" */
const char *show_second(int64_t at_us, char *out, size_t size); /* "16:18:44" */
const char *show_day(int64_t at_us, char *out, size_t size);
const char *show_id(const struct uuid *id, char *out, size_t size); /* "..c41f09a2" */
const char *show_hex(struct slice bytes, char *out, size_t size);
const char *show_age(int64_t us, char *out, size_t size); /* "3 min" */

enum { SHOW_WORDS_MAX = 64 };

/* A name of the protocol as words: "confirmed_fraud" is "confirmed fraud". */
const char *show_words(const char *name, char out[SHOW_WORDS_MAX]);
const char *show_choice(const struct enum_desc *desc, int32_t number, char out[SHOW_WORDS_MAX]);

uint8_t currency_exponent(struct slice code); /* 2 when the currency is unknown */
/* The exponent of the message's currency field; 2 when it has none. */
uint8_t show_exponent(const struct message_desc *desc, const void *message);

#endif
