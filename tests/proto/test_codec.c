/* The codec against random messages, random damage, every limit of every field, and msgpack-c.
 *
 * Everything walks the descriptions, so a new message or field is tested without a line here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire.h"
#include "tests/proto/pieces.h"

enum { ROUNDS = 60, BIG = 4 * 1024 * 1024, PAIRS_MAX = LIMIT_FIELDS_MAX + 2 };

static struct arena  made;  /* messages as they were filled */
static struct arena  read_; /* messages as they were decoded */
static struct buf    first;
static struct buf    second;
static struct work   work;
static struct random random_;
static struct fault  fault;

static int open_all(void **state)
{
    (void)state;
    random_ = random_start("test_codec");
    buf_init(&first, BIG);
    buf_init(&second, BIG);
    return arena_init(&made, (size_t)BIG * 4) != ERR_none || arena_init(&read_, BIG) != ERR_none;
}

static int close_all(void **state)
{
    (void)state;
    arena_free(&made);
    arena_free(&read_);
    buf_free(&first);
    buf_free(&second);
    return 0;
}

static void *fresh(const struct message_desc *desc)
{
    arena_reset(&made);
    return random_message(&random_, &made, &work, desc);
}

static struct slice encoded(const struct message_desc *desc, const void *message, struct buf *out)
{
    buf_clear(out);
    assert_int_equal(message_encode(desc, message, out), ERR_none);
    return slice_of(out->at, out->n);
}

static enum err decode(const struct message_desc *desc, struct slice bytes, enum decode_mode mode,
                       void **out)
{
    void *message;

    arena_reset(&read_);
    message = arena_take(&read_, desc->size);
    fault = (struct fault){ 0 };
    if (out != NULL)
        *out = message;
    return message_decode(desc, bytes, mode, &read_, message, &fault);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < message_count; i++) {
        for (size_t round = 0; round < ROUNDS; round++) {
            const struct message_desc *desc = message_rows[i];
            void                      *message = fresh(desc);
            void                      *back;
            struct slice               bytes = encoded(desc, message, &first);

            assert_int_equal(message_check(desc, message, &fault), ERR_none);
            assert_int_equal(decode(desc, bytes, DECODE_STRICT, &back), ERR_none);
            assert_true(same_message(&work, desc, message, back));
            assert_true(slice_equal(encoded(desc, back, &second), bytes));
        }
    }
}

/* The same pairs in any order are the same message. */
static void test_order_is_free(void **state)
{
    struct piece pieces[PAIRS_MAX];

    (void)state;
    for (size_t i = 0; i < message_count; i++) {
        for (size_t round = 0; round < ROUNDS / 4; round++) {
            const struct message_desc *desc = message_rows[i];
            void                      *message = fresh(desc);
            void                      *back;
            size_t count = pieces_take(encoded(desc, message, &first), pieces, PAIRS_MAX);

            for (size_t k = count; k > 1; k--) {
                size_t       other = (size_t)random_below(&random_, k);
                struct piece piece = pieces[k - 1];

                pieces[k - 1] = pieces[other];
                pieces[other] = piece;
            }
            assert_int_equal(
                decode(desc, pieces_join(pieces, count, &second), DECODE_STRICT, &back), ERR_none);
            assert_true(same_message(&work, desc, message, back));
        }
    }
}

/* Changes some bytes: overwrites, cuts, doubles or takes out. Returns the new length. */
static size_t damage(char *at, size_t n, size_t max)
{
    size_t changes = 1 + (size_t)random_below(&random_, 4);

    while (changes-- > 0 && n > 0) {
        size_t where = (size_t)random_below(&random_, n);

        switch (random_below(&random_, 6)) {
        case 0:
            n = where;
            break;
        case 1:
            memmove(at + where, at + where + 1, n - where - 1);
            n--;
            break;
        case 2:
            if (n < max) {
                memmove(at + where + 1, at + where, n - where);
                n++;
            }
            break;
        case 3:
            at[where] = (char)(at[where] ^ (char)(1u << random_below(&random_, 8)));
            break;
        default:
            at[where] = (char)random_next(&random_);
            break;
        }
    }
    return n;
}

static bool msgpack_accepts(struct slice bytes)
{
    msgpack_unpacked      unpacked;
    size_t                offset = 0;
    msgpack_unpack_return result;

    msgpack_unpacked_init(&unpacked);
    result = msgpack_unpack_next(&unpacked, bytes.at, bytes.n, &offset);
    msgpack_unpacked_destroy(&unpacked);
    return result == MSGPACK_UNPACK_SUCCESS && offset == bytes.n;
}

/* What was damaged either fails with a named error or is another good message. The bytes are an
 * exact block of the heap, so that a read behind their end is seen by the sanitizer. */
static void test_damage(void **state)
{
    size_t good = 0;

    (void)state;
    for (size_t i = 0; i < message_count; i++) {
        for (size_t round = 0; round < ROUNDS * 8; round++) {
            const struct message_desc *desc = message_rows[i];
            enum decode_mode           mode = (round & 1) != 0 ? DECODE_LENIENT : DECODE_STRICT;
            struct slice               bytes = encoded(desc, fresh(desc), &first);
            size_t                     room = bytes.n + 8;
            char                      *block = malloc(room);
            size_t                     n;
            void                      *back;
            enum err                   err;

            assert_non_null(block);
            memcpy(block, bytes.at, bytes.n);
            n = damage(block, bytes.n, room);
            block = realloc(block, n > 0 ? n : 1);
            assert_non_null(block);
            err = decode(desc, slice_of(block, n), mode, &back);
            assert_int_equal(err, fault.err);
            assert_true(slice_is_utf8(slice_from(fault.text)));
            if (err == ERR_none) {
                good++;
                assert_true(n == 0 || msgpack_accepts(slice_of(block, n)));
                if (mode == DECODE_STRICT)
                    assert_int_equal(message_check(desc, back, &fault), ERR_none);
                buf_clear(&second);
                assert_int_equal(message_encode(desc, back, &second), ERR_none);
            }
            free(block);
        }
    }
    assert_true(good > 100); /* else the damage is too heavy to show anything */
}

/* --- the oracle ---------------------------------------------------------------------------- */

static bool oracle_text(const msgpack_object *object, const char *text)
{
    return object->type == MSGPACK_OBJECT_STR &&
           slice_is(slice_of(object->via.str.ptr, object->via.str.size), text);
}

static bool oracle_number(const msgpack_object *object, int64_t number)
{
    if (number >= 0)
        return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
               object->via.u64 == (uint64_t)number;
    return object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && object->via.i64 == number;
}

static bool oracle_content(const msgpack_object *object, enum field_type type, struct slice wanted)
{
    if (type == FIELD_TEXT)
        return object->type == MSGPACK_OBJECT_STR &&
               slice_equal(slice_of(object->via.str.ptr, object->via.str.size), wanted);
    return object->type == MSGPACK_OBJECT_BIN &&
           slice_equal(slice_of(object->via.bin.ptr, object->via.bin.size), wanted);
}

/* Whether msgpack-c read what the struct holds. Items of lists are appended to the work, with
 * the object in the place of a second struct. */
static bool oracle_field(const struct field_desc *field, char *message, msgpack_object *object)
{
    char             *at = message + field->offset;
    int64_t           number;
    int32_t           word;
    struct slice      content;
    struct list_piece list;

    switch (field->type) {
    case FIELD_INT:
    case FIELD_MONEY:
    case FIELD_TIME:
        memcpy(&number, at, sizeof number);
        return oracle_number(object, number);
    case FIELD_BOOL:
        return object->type == MSGPACK_OBJECT_BOOLEAN && object->via.boolean == (*at != 0);
    case FIELD_UUID:
        return oracle_content(object, FIELD_BYTES, slice_of(at, 16));
    case FIELD_TEXT:
    case FIELD_BYTES:
        memcpy(&content, at, sizeof content);
        return oracle_content(object, field->type, content);
    case FIELD_CHOICE:
        memcpy(&word, at, sizeof word);
        return oracle_text(object, enum_text(field->choice, word));
    case FIELD_LIST:
        list = list_at(message, field);
        if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != list.count)
            return false;
        for (size_t i = 0; i < list.count; i++)
            work_add(&work, field->item, list.at + i * field->item->size,
                     (char *)&object->via.array.ptr[i], 1);
        return true;
    }
    return false;
}

static void oracle_map(const struct message_desc *desc, char *message, msgpack_object *object)
{
    uint64_t has;
    size_t   pair = 0;

    memcpy(&has, message, sizeof has);
    assert_int_equal(object->type, MSGPACK_OBJECT_MAP);
    for (size_t i = 0; i < desc->count; i++) {
        msgpack_object_kv *kv = &object->via.map.ptr[pair];

        if ((has >> i & 1) == 0)
            continue;
        assert_true(pair < object->via.map.size);
        assert_true(oracle_text(&kv->key, desc->fields[i].name));
        assert_true(oracle_field(&desc->fields[i], message, &kv->val));
        pair++;
    }
    assert_int_equal(pair, object->via.map.size);
}

static void test_oracle(void **state)
{
    (void)state;
    for (size_t i = 0; i < message_count; i++) {
        for (size_t round = 0; round < ROUNDS / 2; round++) {
            const struct message_desc *desc = message_rows[i];
            char                      *message = fresh(desc);
            struct slice               bytes = encoded(desc, message, &first);
            msgpack_unpacked           unpacked;
            size_t                     offset = 0;

            msgpack_unpacked_init(&unpacked);
            assert_int_equal(msgpack_unpack_next(&unpacked, bytes.at, bytes.n, &offset),
                             MSGPACK_UNPACK_SUCCESS);
            assert_int_equal(offset, bytes.n);
            work.count = 0;
            work_add(&work, desc, message, (char *)&unpacked.data, 1);
            for (size_t done = 0; done < work.count; done++)
                oracle_map(work.desc[done], work.left[done], (msgpack_object *)work.right[done]);
            msgpack_unpacked_destroy(&unpacked);
        }
    }
}

/* --- every field's limits ------------------------------------------------------------------ */

/* Decodes a good message whose field has another value. */
static enum err with_value(const struct message_desc *desc, const struct field_desc *field,
                           struct slice value)
{
    struct piece pieces[PAIRS_MAX];
    char         key[64];
    size_t       count = pieces_take(encoded(desc, fresh(desc), &first), pieces, PAIRS_MAX);
    size_t       index = piece_named(pieces, count, field->name);
    enum err     err;

    if (index == count) {
        key[0] = (char)(field->name_n < 32 ? 0xa0 | field->name_n : 0xd9);
        assert_true(field->name_n < 32);
        memcpy(key + 1, field->name, field->name_n);
        pieces[count++].key = slice_of(key, field->name_n + 1);
    }
    pieces[index].value = value;
    err = decode(desc, pieces_join(pieces, count, &second), DECODE_STRICT, NULL);
    if (err != ERR_none && err != ERR_malformed)
        assert_string_equal(fault.field, field->name);
    return err;
}

static struct buf value_buf;

static msgpack_packer value_begin(void)
{
    msgpack_packer packer;

    buf_clear(&value_buf);
    msgpack_packer_init(&packer, &value_buf, piece_write);
    return packer;
}

static struct slice value_end(void)
{
    return slice_of(value_buf.at, value_buf.n);
}

static struct slice value_int(int64_t number)
{
    msgpack_packer packer = value_begin();

    msgpack_pack_int64(&packer, number);
    return value_end();
}

static struct slice value_content(bool text, const char *at, size_t n)
{
    msgpack_packer packer = value_begin();

    if (text)
        msgpack_pack_str_with_body(&packer, at, n);
    else
        msgpack_pack_bin_with_body(&packer, at, n);
    return value_end();
}

static struct slice value_filled(bool text, size_t n)
{
    char        *at = malloc(n + 1);
    struct slice value;

    assert_non_null(at);
    memset(at, 'x', n);
    value = value_content(text, at, n);
    free(at);
    return value;
}

static void limits_of_number(const struct message_desc *desc, const struct field_desc *field)
{
    bool     money = field->type == FIELD_MONEY;
    enum err wrong = money ? ERR_amount_invalid : ERR_field_invalid;
    bool     positive = (field->flags & POSITIVE) != 0;
    bool     natural = (field->flags & NATURAL) != 0;
    int64_t  most = field->limit > 0 ? field->limit : INT64_MAX;

    assert_int_equal(with_value(desc, field, value_int(1)), ERR_none);
    assert_int_equal(with_value(desc, field, value_int(most)), ERR_none);
    if (field->limit > 0)
        assert_int_equal(with_value(desc, field, value_int(most + 1)), wrong);
    assert_int_equal(with_value(desc, field, value_int(0)), positive ? wrong : ERR_none);
    assert_int_equal(with_value(desc, field, value_int(-1)),
                     positive || natural ? wrong : ERR_none);
    assert_int_equal(with_value(desc, field, value_int(INT64_MIN)),
                     positive || natural ? wrong : ERR_none);
    assert_int_equal(with_value(desc, field, slice_of("\xcf\x80\0\0\0\0\0\0\0", 9)),
                     money ? ERR_amount_overflow : ERR_field_invalid);
    assert_int_equal(with_value(desc, field, slice_of("\xcb\x3f\xf0\0\0\0\0\0\0", 9)), wrong);
    assert_int_equal(with_value(desc, field, slice_of("\xca\x3f\x80\0\0", 5)), wrong);
    assert_int_equal(with_value(desc, field, slice_from("\xa1z")), ERR_field_invalid);
    /* Longer forms than needed are the same number. */
    assert_int_equal(with_value(desc, field, slice_of("\xcf\0\0\0\0\0\0\0\x01", 9)), ERR_none);
    assert_int_equal(with_value(desc, field, slice_of("\xd3\0\0\0\0\0\0\0\x01", 9)), ERR_none);
    assert_int_equal(with_value(desc, field, slice_of("\xd0\x01", 2)), ERR_none);
}

static void limits_of_content(const struct message_desc *desc, const struct field_desc *field)
{
    bool   text = field->type == FIELD_TEXT;
    bool   lines = (field->flags & MULTILINE) != 0;
    size_t most = (size_t)field->limit;

    assert_int_equal(with_value(desc, field, value_filled(text, 1)), ERR_none);
    assert_int_equal(with_value(desc, field, value_filled(text, most)), ERR_none);
    assert_int_equal(with_value(desc, field, value_filled(text, most + 1)), ERR_field_too_long);
    assert_int_equal(with_value(desc, field, value_filled(text, 0)),
                     (field->flags & FILLED) != 0 ? ERR_field_invalid : ERR_none);
    if (text)
        assert_int_equal(with_value(desc, field, value_content(true, " ", 1)),
                         (field->flags & FILLED) != 0 ? ERR_field_invalid : ERR_none);
    assert_int_equal(with_value(desc, field, value_filled(!text, 1)), ERR_field_invalid);
    assert_int_equal(with_value(desc, field, value_int(1)), ERR_field_invalid);
    if (!text || most < 3)
        return;
    for (size_t i = 0; i < 6; i++) { /* NUL, escape, DEL, C1, cut short, a surrogate half */
        static const char *const bad[] = { "\0", "\x1b", "\x7f", "\xc2\x9b", "\xc3", "\xed\xa0" };
        size_t                   n = i == 0 ? 1 : strlen(bad[i]);

        assert_int_equal(with_value(desc, field, value_content(true, bad[i], n)),
                         ERR_field_invalid);
    }
    assert_int_equal(with_value(desc, field, value_content(true, "x\n", 2)),
                     lines ? ERR_none : ERR_field_invalid);
    assert_int_equal(with_value(desc, field, value_content(true, "x\r\n", 3)),
                     lines ? ERR_none : ERR_field_invalid);
    assert_int_equal(with_value(desc, field, value_content(true, "\r", 1)), ERR_field_invalid);
}

static void limits_of_list(const struct message_desc *desc, const struct field_desc *field)
{
    static const char small[] = { (char)0x91, (char)0x80 }; /* a row without its fields */
    msgpack_packer    packer = value_begin();
    bool              needs = false;

    for (size_t i = 0; i < field->item->count; i++)
        needs |= (field->item->fields[i].flags & REQUIRED) != 0;
    assert_true(needs);
    msgpack_pack_array(&packer, (size_t)field->limit + 1);
    for (int64_t i = 0; i < field->limit + 1; i++)
        msgpack_pack_map(&packer, 0);
    assert_int_equal(with_value(desc, field, value_end()), ERR_field_too_long);
    assert_int_equal(with_value(desc, field, slice_of("\x90", 1)), ERR_none);
    assert_int_equal(with_value(desc, field, slice_of("\x80", 1)), ERR_field_invalid);
    /* Four thousand million rows are claimed and none is there. */
    assert_int_equal(with_value(desc, field, slice_of("\xdd\xff\xff\xff\xff", 5)), ERR_malformed);
    fault.field[0] = '\0';
    encoded(desc, fresh(desc), &first);
    {
        struct piece pieces[PAIRS_MAX];
        size_t       count = pieces_take(slice_of(first.at, first.n), pieces, PAIRS_MAX);
        char         wanted[FAULT_FIELD_MAX];

        pieces[piece_named(pieces, count, field->name)].value = slice_of(small, 2);
        assert_int_equal(decode(desc, pieces_join(pieces, count, &second), DECODE_STRICT, NULL),
                         ERR_field_missing);
        snprintf(wanted, sizeof wanted, "%s[0].", field->name);
        assert_memory_equal(fault.field, wanted, strlen(wanted));
    }
}

static void limits_of_field(const struct message_desc *desc, const struct field_desc *field)
{
    assert_int_equal(with_value(desc, field, slice_of("\xc0", 1)), ERR_field_invalid);
    assert_int_equal(with_value(desc, field, slice_of("\xd4\x01\x01", 3)), ERR_field_invalid);
    switch (field->type) {
    case FIELD_INT:
    case FIELD_MONEY:
    case FIELD_TIME:
        limits_of_number(desc, field);
        break;
    case FIELD_TEXT:
    case FIELD_BYTES:
        limits_of_content(desc, field);
        break;
    case FIELD_UUID:
        assert_int_equal(with_value(desc, field, value_filled(false, 16)), ERR_none);
        assert_int_equal(with_value(desc, field, value_filled(false, 15)), ERR_field_invalid);
        assert_int_equal(with_value(desc, field, value_filled(false, 17)), ERR_field_invalid);
        assert_int_equal(with_value(desc, field, value_filled(true, 16)), ERR_field_invalid);
        assert_int_equal(with_value(desc, field, value_filled(true, 36)), ERR_field_invalid);
        break;
    case FIELD_BOOL:
        assert_int_equal(with_value(desc, field, slice_of("\xc2", 1)), ERR_none);
        assert_int_equal(with_value(desc, field, slice_of("\xc3", 1)), ERR_none);
        assert_int_equal(with_value(desc, field, value_int(1)), ERR_field_invalid);
        break;
    case FIELD_CHOICE:
        for (size_t i = 0; i < field->choice->count; i++) {
            const char *word = field->choice->values[i].text;

            assert_int_equal(with_value(desc, field, value_content(true, word, strlen(word))),
                             ERR_none);
            assert_int_equal(with_value(desc, field, value_content(true, word, strlen(word) - 1)),
                             ERR_field_invalid);
        }
        assert_int_equal(with_value(desc, field, value_int(1)), ERR_field_invalid);
        break;
    case FIELD_LIST:
        limits_of_list(desc, field);
        break;
    }
}

static void test_limits(void **state)
{
    (void)state;
    buf_init(&value_buf, BIG);
    for (size_t i = 0; i < message_count; i++)
        for (size_t k = 0; k < message_rows[i]->count; k++)
            limits_of_field(message_rows[i], &message_rows[i]->fields[k]);
    buf_free(&value_buf);
}

/* --- keys ---------------------------------------------------------------------------------- */

static void test_missing_and_double(void **state)
{
    struct piece pieces[PAIRS_MAX];

    (void)state;
    for (size_t i = 0; i < message_count; i++) {
        const struct message_desc *desc = message_rows[i];

        for (size_t k = 0; k < desc->count; k++) {
            size_t count = pieces_take(encoded(desc, fresh(desc), &first), pieces, PAIRS_MAX);
            size_t index = piece_named(pieces, count, desc->fields[k].name);
            bool   required = (desc->fields[k].flags & REQUIRED) != 0;

            if (index == count)
                continue;
            pieces[count] = pieces[index];
            assert_int_equal(
                decode(desc, pieces_join(pieces, count + 1, &second), DECODE_LENIENT, NULL),
                ERR_malformed);
            assert_string_equal(fault.field, desc->fields[k].name);
            pieces[index] = pieces[count - 1];
            assert_int_equal(
                decode(desc, pieces_join(pieces, count - 1, &second), DECODE_STRICT, NULL),
                required ? ERR_field_missing : ERR_none);
            assert_string_equal(fault.field, required ? desc->fields[k].name : "");
        }
    }
}

static void test_unknown(void **state)
{
    static const char *const values[] = { "\x01", "\xc0", "\x92\x01\x81\x01\x90", "\xa1x" };
    struct piece             pieces[PAIRS_MAX];

    (void)state;
    for (size_t i = 0; i < message_count; i++) {
        const struct message_desc *desc = message_rows[i];
        void                      *message = fresh(desc);
        void                      *back;
        size_t count = pieces_take(encoded(desc, message, &first), pieces, PAIRS_MAX - 1);

        pieces[count].key = slice_from("\xa7stra\0ge");
        pieces[count].key.n = 8;
        pieces[count].value = slice_from(values[i % ARRAY_COUNT(values)]);
        if (count > 0) {
            struct piece piece = pieces[0];

            pieces[0] = pieces[count];
            pieces[count] = piece;
        }
        assert_int_equal(decode(desc, pieces_join(pieces, count + 1, &second), DECODE_STRICT, NULL),
                         ERR_field_unknown);
        assert_memory_equal(fault.field, "stra", 4);
        assert_int_equal(
            decode(desc, pieces_join(pieces, count + 1, &second), DECODE_LENIENT, &back), ERR_none);
        assert_true(same_message(&work, desc, message, back));
    }
}

static void test_shapes(void **state)
{
    char deep[64];

    (void)state;
    assert_int_equal(decode(&message_empty, slice_of(NULL, 0), DECODE_STRICT, NULL), ERR_none);
    assert_int_equal(decode(&message_empty, slice_from("\x80"), DECODE_STRICT, NULL), ERR_none);
    assert_int_equal(decode(&message_account_ref, slice_of("", 0), DECODE_STRICT, NULL),
                     ERR_field_missing);
    assert_int_equal(decode(&message_empty, slice_of("\x80\0", 2), DECODE_STRICT, NULL),
                     ERR_malformed);
    assert_int_equal(decode(&message_empty, slice_from("\x90"), DECODE_STRICT, NULL),
                     ERR_malformed);
    assert_int_equal(decode(&message_empty, slice_from("\xc1"), DECODE_STRICT, NULL),
                     ERR_malformed);
    assert_int_equal(decode(&message_empty, slice_from("\x81\x01\x01"), DECODE_LENIENT, NULL),
                     ERR_malformed);
    assert_int_equal(
        decode(&message_empty, slice_from("\xdf\xff\xff\xff\xff"), DECODE_LENIENT, NULL),
        ERR_malformed);
    memset(deep, 0x91, sizeof deep);
    memcpy(deep, "\x81\xa1z", 3);
    deep[3 + LIMIT_DEPTH_MAX - 1] = 0x01;
    assert_int_equal(
        decode(&message_empty, slice_of(deep, 3 + LIMIT_DEPTH_MAX), DECODE_LENIENT, NULL),
        ERR_none);
    deep[3 + LIMIT_DEPTH_MAX - 1] = (char)0x91;
    deep[3 + LIMIT_DEPTH_MAX] = 0x01;
    assert_int_equal(
        decode(&message_empty, slice_of(deep, 4 + LIMIT_DEPTH_MAX), DECODE_LENIENT, NULL),
        ERR_malformed);
}

/* --- structs filled by code ---------------------------------------------------------------- */

static void test_check(void **state)
{
    struct msg_transaction_create create = { .type = TYPE_TRANSFER, .amount = 1 };
    struct msg_transaction        items[3] = { 0 };
    struct msg_reason             reasons[2] = { 0 };
    struct msg_transaction_page   page = { .items = { items, 3 } };

    (void)state;
    assert_int_equal(message_check(&message_transaction_create, &create, &fault), ERR_none);
    create.amount = 0;
    assert_int_equal(message_check(&message_transaction_create, &create, &fault),
                     ERR_amount_invalid);
    assert_string_equal(fault.field, "amount");
    create.amount = 1;
    create.currency = slice_from("USDX"); /* not told by `has`, so it does not count */
    assert_int_equal(message_check(&message_transaction_create, &create, &fault), ERR_none);
    MSG_SET(&create, transaction_create, currency, slice_from("USDX"));
    assert_int_equal(message_check(&message_transaction_create, &create, &fault),
                     ERR_field_too_long);
    create = (struct msg_transaction_create){ .amount = 1 };
    assert_int_equal(message_check(&message_transaction_create, &create, &fault),
                     ERR_field_invalid);
    assert_string_equal(fault.field, "type");
    for (size_t i = 0; i < ARRAY_COUNT(items); i++) {
        items[i].type = TYPE_FEE;
        items[i].status = STATUS_COMPLETED;
        items[i].verdict = VERDICT_APPROVE;
    }
    assert_int_equal(message_check(&message_transaction_page, &page, &fault), ERR_none);
    items[2].reasons.at = reasons;
    items[2].reasons.count = 2;
    reasons[1].rule = slice_of("\xff", 1);
    assert_int_equal(message_check(&message_transaction_page, &page, &fault), ERR_field_invalid);
    assert_string_equal(fault.field, "items[2].reasons[1].rule");
    assert_int_equal(message_check(&message_transaction_page, &page, NULL), ERR_field_invalid);
}

static void test_nested_fault(void **state)
{
    struct msg_transaction      items[2] = { 0 };
    struct msg_transaction_page page = { .items = { items, 2 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(items); i++) {
        items[i].type = TYPE_FEE;
        items[i].status = STATUS_COMPLETED;
        items[i].verdict = VERDICT_APPROVE;
    }
    items[1].score = 1001;
    assert_int_equal(decode(&message_transaction_page,
                            encoded(&message_transaction_page, &page, &first), DECODE_STRICT, NULL),
                     ERR_field_invalid);
    assert_string_equal(fault.field, "items[1].score");
}

/* A word that was never filled is a mistake of the code, and nothing of it goes out. */
static void test_encode_fails_whole(void **state)
{
    struct msg_transaction_create create = { .amount = 1 };
    struct buf                    small;

    (void)state;
    buf_clear(&first);
    assert_int_equal(buf_add(&first, "kept", 4), ERR_none);
    assert_int_equal(message_encode(&message_transaction_create, &create, &first), ERR_internal);
    assert_int_equal(first.n, 4);
    create.type = TYPE_DEPOSIT;
    buf_init(&small, 40);
    assert_int_equal(message_encode(&message_transaction_create, &create, &small),
                     ERR_message_too_large);
    assert_int_equal(small.n, 0);
    buf_free(&small);
}

static void test_arena_is_the_limit(void **state)
{
    struct msg_transaction      items[8] = { 0 };
    struct msg_transaction_page page = { .items = { items, ARRAY_COUNT(items) } };
    struct msg_transaction_page back;
    struct arena                small;
    struct slice                bytes;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(items); i++) {
        items[i].type = TYPE_FEE;
        items[i].status = STATUS_COMPLETED;
        items[i].verdict = VERDICT_APPROVE;
    }
    bytes = encoded(&message_transaction_page, &page, &first);
    assert_int_equal(arena_init(&small, sizeof items / 2), ERR_none);
    assert_int_equal(
        message_decode(&message_transaction_page, bytes, DECODE_STRICT, &small, &back, &fault),
        ERR_memory);
    arena_free(&small);
}

/* Numbers are written here without the library; each must be as it would write it. */
static void test_numbers_are_as_short_as_can_be(void **state)
{
    struct buf       out;
    struct wire_sink sink;

    (void)state;
    buf_init(&out, 64);
    for (int bits = 0; bits < 64; bits++) {
        for (int64_t near = -2; near <= 2; near++) {
            uint64_t edge = (UINT64_C(1) << bits) + (uint64_t)near;

            for (int sign = 0; sign < 2; sign++) {
                int64_t      number = (int64_t)(sign == 0 ? edge : 0 - edge);
                struct slice expected = value_int(number);

                buf_clear(&out);
                wire_open(&sink, &out);
                wire_add_int(&sink, number);
                assert_int_equal(wire_close(&sink), ERR_none);
                assert_int_equal(out.n, expected.n);
                assert_memory_equal(out.at, expected.at, out.n);
            }
        }
    }
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_order_is_free),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_oracle),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_missing_and_double),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_nested_fault),
        cmocka_unit_test(test_encode_fails_whole),
        cmocka_unit_test(test_arena_is_the_limit),
        cmocka_unit_test(test_numbers_are_as_short_as_can_be),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
