/* See page.h. The digest of a question walks the message by its description, so a field that is
 * added to proto/messages.def is part of the question without a change here. */
#include "bankd/ops/page.h"

#include "common/check.h"
#include "common/money.h"

#include <string.h>

enum { CURSOR_FORMAT = 1, CURSOR_NUMBERS = 3, CURSOR_BYTES = 1 + 8 + 8 * CURSOR_NUMBERS };

static_assert((int)CURSOR_BYTES <= (int)LIMIT_CURSOR_MAX, "a cursor must fit its field");

/* --- the question --------------------------------------------------------------------------- */

/* FNV-1a: tells questions apart; nobody gains by making two of them equal. */
static uint64_t mix(uint64_t digest, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < n; i++)
        digest = (digest ^ at[i]) * UINT64_C(1099511628211);
    return digest;
}

static uint64_t mix_field(uint64_t digest, const struct field_desc *field, const void *value)
{
    switch (field->type) {
    case FIELD_UUID:
        return mix(digest, value, sizeof(struct uuid));
    case FIELD_INT:
    case FIELD_MONEY:
    case FIELD_TIME:
        return mix(digest, value, sizeof(int64_t));
    case FIELD_BOOL:
        return mix(digest, *(const bool *)value ? "y" : "n", 1);
    case FIELD_CHOICE:
        return mix(digest, value, sizeof(int32_t));
    case FIELD_TEXT:
    case FIELD_BYTES: {
        const struct slice *text = value;
        uint64_t n = text->n;
        return mix(mix(digest, &n, sizeof(n)), text->at, text->n);
    }
    case FIELD_LIST:
        break;
    }
    CHECK(false); /* no question has a list */
    return digest;
}

static uint64_t question_digest(const struct request *request, const void *in)
{
    const struct message_desc *desc = request->op->request;
    const char *name = request->op->name;
    uint64_t has;
    memcpy(&has, in, sizeof(has)); /* the first member of every message */
    uint64_t digest = mix(UINT64_C(14695981039346656037), name, strlen(name));
    for (size_t i = 0; i < desc->count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (((has >> i) & 1u) == 0 || strcmp(field->name, "cursor") == 0 ||
            strcmp(field->name, "limit") == 0)
            continue;
        digest = mix(digest, field->name, strlen(field->name) + 1);
        digest = mix_field(digest, field, (const char *)in + field->offset);
    }
    return digest;
}

/* --- cursors -------------------------------------------------------------------------------- */

static void put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return value;
}

enum err page_start(struct request *request, const void *in, bool given, struct slice bytes,
                    struct page_cursor *out)
{
    *out = (struct page_cursor){0};
    if (!given || bytes.n == 0)
        return ERR_none;
    uint8_t raw[CURSOR_BYTES];
    if (bytes.n != sizeof(raw))
        return fault_set(request->fault, ERR_cursor_invalid, "cursor", "%s", "");
    memcpy(raw, bytes.at, sizeof(raw));
    uint64_t numbers[CURSOR_NUMBERS];
    bool good = raw[0] == CURSOR_FORMAT && get_u64(raw + 1) == question_digest(request, in);
    for (int i = 0; i < CURSOR_NUMBERS; i++) {
        numbers[i] = get_u64(raw + 9 + 8 * i);
        good = good && numbers[i] <= INT64_MAX;
    }
    if (!good || numbers[0] == 0)
        return fault_set(request->fault, ERR_cursor_invalid, "cursor", "%s", "");
    out->from = (int64_t)numbers[0];
    out->below = (int64_t)numbers[1];
    out->top = (int64_t)numbers[2];
    return ERR_none;
}

enum err page_next(struct request *request, const void *in, const struct page_cursor *cursor,
                   struct slice *out)
{
    void *memory = NULL;
    TRY(page_take(request, CURSOR_BYTES, &memory));
    uint8_t *raw = memory;
    raw[0] = CURSOR_FORMAT;
    put_u64(raw + 1, question_digest(request, in));
    put_u64(raw + 9, (uint64_t)cursor->from);
    put_u64(raw + 17, (uint64_t)cursor->below);
    put_u64(raw + 25, (uint64_t)cursor->top);
    *out = slice_of(memory, CURSOR_BYTES);
    return ERR_none;
}

size_t page_limit(bool given, int64_t limit)
{
    return given ? (size_t)limit : (size_t)LIMIT_PAGE_ROWS_DEFAULT;
}

/* --- memory --------------------------------------------------------------------------------- */

enum err page_take(struct request *request, size_t n, void **out)
{
    *out = arena_take(request->arena, n);
    return *out != NULL ? ERR_none : ERR_memory;
}

bool page_room(const struct request *request, size_t n)
{
    return request->arena->size - request->arena->used >= n;
}

enum err page_keep(struct request *request, struct slice text, struct slice *out)
{
    void *memory = NULL;
    *out = slice_of("", 0);
    if (text.n == 0)
        return ERR_none;
    TRY(page_take(request, text.n, &memory));
    memcpy(memory, text.at, text.n);
    *out = slice_of(memory, text.n);
    return ERR_none;
}

/* --- checks --------------------------------------------------------------------------------- */

bool page_cancelled(const struct request *request)
{
    return request->cancel != NULL && atomic_load_explicit(request->cancel, memory_order_relaxed);
}

enum err page_check_cancel(const struct request *request)
{
    return page_cancelled(request) ? ERR_cancelled : ERR_none;
}

enum err page_currency(struct request *request, bool given, struct slice code, uint16_t *out)
{
    *out = 0;
    if (!given)
        return ERR_none;
    const struct currency *currency = currency_by_code(code.at, code.n);
    if (currency == NULL)
        return fault_set(request->fault, ERR_currency_unknown, "currency", "%s", "");
    *out = currency->number;
    return ERR_none;
}

enum err page_account(struct request *request, bool given, const struct uuid *id, int64_t *out)
{
    *out = 0;
    if (!given)
        return ERR_none;
    struct account_book book;
    enum err err = request->store->ops->book_by_id(request->store, id, &book);
    if (err == ERR_not_found)
        return fault_set(request->fault, ERR_account_unknown, "account_id", "%s", "");
    TRY(err);
    *out = book.number;
    return ERR_none;
}

/* In a filter 0 means open, so a limit at exactly that moment is moved by one microsecond. */
enum err page_times(struct request *request, bool from_given, int64_t from, bool to_given,
                    int64_t to, int64_t *from_us, int64_t *to_us)
{
    *from_us = 0;
    *to_us = 0;
    if (from_given && to_given && from >= to)
        return fault_set(request->fault, ERR_range_invalid, "to", "%s", "");
    if (from_given)
        *from_us = from != 0 ? from : -1;
    if (to_given)
        *to_us = to != 0 ? to : -1;
    return ERR_none;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool page_contains(struct slice text, struct slice part)
{
    for (size_t start = 0; start + part.n <= text.n; start++) {
        size_t i = 0;
        while (i < part.n && lower(text.at[start + i]) == lower(part.at[i]))
            i++;
        if (i == part.n)
            return true;
    }
    return false;
}
