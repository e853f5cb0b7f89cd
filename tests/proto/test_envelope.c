/* Envelopes: what is sealed opens again, every refusal names its reason, and the id of a bad
 * request is found wherever it stands. Damaged envelopes never do more than fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/proto/pieces.h"

static struct buf    out;
static struct fault  fault;
static struct random random_;

static int open_all(void **state)
{
    (void)state;
    random_ = random_start("test_envelope");
    buf_init(&out, LIMIT_WIRE_MAX + 1024);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

static struct slice sealed(void)
{
    return slice_of(out.at, out.n);
}

static msgpack_packer begin(size_t pairs)
{
    msgpack_packer packer;

    buf_clear(&out);
    msgpack_packer_init(&packer, &out, piece_write);
    msgpack_pack_map(&packer, pairs);
    return packer;
}

static void add_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void add_int(msgpack_packer *packer, const char *key, int64_t number)
{
    add_text(packer, key);
    msgpack_pack_int64(packer, number);
}

static void add_pair(msgpack_packer *packer, const char *key, const char *text)
{
    add_text(packer, key);
    add_text(packer, text);
}

static enum err open_request(struct request_envelope *request)
{
    fault = (struct fault){ 0 };
    return request_decode(sealed(), request, &fault);
}

static void test_request(void **state)
{
    static const uint64_t   ids[] = { 0, 1, 127, 65536, INT64_MAX, UINT64_MAX };
    char                    token[LIMIT_TOKEN_BYTES];
    struct msg_account_ref  body = { .account_id = { { 9 } } };
    struct msg_account_ref  back;
    struct request_envelope request;
    struct arena            none = { 0 };

    (void)state;
    memset(token, 0xab, sizeof token);
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
        bool with = (i & 1) != 0;

        buf_clear(&out);
        assert_int_equal(request_encode(ids[i], "account.get",
                                        slice_of(token, with ? sizeof token : 0),
                                        &message_account_ref, &body, &out),
                         ERR_none);
        assert_int_equal(open_request(&request), ERR_none);
        assert_int_equal(request.version, PROTOCOL_VERSION);
        assert_true(request.id == ids[i]);
        assert_true(slice_is(request.op, "account.get"));
        assert_true(slice_equal(request.token, slice_of(token, with ? sizeof token : 0)));
        assert_int_equal(
            message_decode(&message_account_ref, request.body, DECODE_STRICT, &none, &back, &fault),
            ERR_none);
        assert_true(uuid_equal(&back.account_id, &body.account_id));
    }
    buf_clear(&out);
    assert_int_equal(
        request_encode(5, "session.whoami", slice_of(NULL, 0), &message_empty, NULL, &out),
        ERR_none);
    assert_int_equal(open_request(&request), ERR_none);
    assert_true(slice_is(request.body, "\x80"));
}

static void test_body_may_be_absent(void **state)
{
    struct request_envelope request;
    msgpack_packer          packer = begin(3);

    (void)state;
    add_pair(&packer, "op", "session.whoami");
    add_int(&packer, "id", 3);
    add_int(&packer, "v", 1);
    assert_int_equal(open_request(&request), ERR_none);
    assert_int_equal(request.body.n, 0);
    assert_int_equal(request.token.n, 0);
}

/* Opens {"v": 1, "op": .., KEY: value, "id": 77}, whose value is given encoded. */
static enum err open_with(const char *key, struct slice value, struct request_envelope *request)
{
    msgpack_packer packer = begin(4);

    add_int(&packer, "v", 1);
    add_pair(&packer, strcmp(key, "op") == 0 ? "body" : "op", "account.get");
    add_text(&packer, key);
    assert_int_equal(buf_add(&out, value.at, value.n), ERR_none);
    add_int(&packer, "id", 77);
    return open_request(request);
}

static void expect(const char *key, const char *value, size_t n, enum err err)
{
    struct request_envelope request;

    assert_int_equal(open_with(key, slice_of(value, n), &request), err);
    assert_string_equal(fault.field, key);
    assert_true(request.id == 77);
}

static void test_bad_requests_have_an_id(void **state)
{
    char long_name[80];
    char token[40] = "\xc4\x1f";

    (void)state;
    expect("colour", "\x01", 1, ERR_field_unknown);
    expect("body", "\x01", 1, ERR_malformed);
    expect("body", "\x90", 1, ERR_malformed);
    expect("body", "\xc0", 1, ERR_malformed);
    expect("token", "\xc4\x00", 2, ERR_field_invalid);
    expect("token", token, 33, ERR_field_invalid);
    token[1] = 0x21;
    expect("token", token, 35, ERR_field_invalid);
    expect("token",
           "\xa3"
           "abc",
           4, ERR_field_invalid);
    expect("v", "\x01", 1, ERR_malformed); /* twice */
    memset(long_name, 'x', sizeof long_name);
    long_name[0] = (char)0xd9;
    long_name[1] = 65;
    {
        struct request_envelope request;
        msgpack_packer          packer = begin(3);

        add_int(&packer, "v", 1);
        add_text(&packer, "op");
        assert_int_equal(buf_add(&out, long_name, 67), ERR_none);
        add_int(&packer, "id", 78);
        assert_int_equal(open_request(&request), ERR_field_too_long);
        assert_string_equal(fault.field, "op");
        assert_true(request.id == 78);
    }
}

static void test_missing(void **state)
{
    static const char *const keys[] = { "v", "id", "op" };
    struct request_envelope  request;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        msgpack_packer packer = begin(2);

        if (i != 0)
            add_int(&packer, "v", 1);
        if (i != 1)
            add_int(&packer, "id", 9);
        if (i != 2)
            add_pair(&packer, "op", "account.get");
        assert_int_equal(open_request(&request), ERR_field_missing);
        assert_string_equal(fault.field, keys[i]);
        assert_true(request.id == (i == 1 ? 0 : 9));
    }
}

/* A later version may have other keys, so its number is the answer and not the key. */
static void test_version(void **state)
{
    static const int64_t    versions[] = { 0, 2, -1, INT64_MAX };
    struct request_envelope request;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
        msgpack_packer packer = begin(4);

        add_int(&packer, "flavour", 1);
        add_pair(&packer, "op", "account.get");
        add_int(&packer, "id", 12);
        add_int(&packer, "v", versions[i]);
        assert_int_equal(open_request(&request), ERR_version_unsupported);
        assert_true(request.id == 12);
    }
    {
        msgpack_packer packer = begin(2);

        add_int(&packer, "id", 12);
        add_pair(&packer, "v", "1");
        assert_int_equal(open_request(&request), ERR_field_invalid);
        assert_string_equal(fault.field, "v");
    }
}

static void test_ids(void **state)
{
    struct request_envelope request;
    msgpack_packer          packer = begin(3);

    (void)state;
    add_int(&packer, "v", 1);
    add_int(&packer, "id", -1);
    add_pair(&packer, "op", "account.get");
    assert_int_equal(open_request(&request), ERR_field_invalid);
    assert_string_equal(fault.field, "id");
    assert_true(request.id == 0);
}

static void test_junk(void **state)
{
    static const char       deep[] = { (char)0x91 };
    struct request_envelope request;
    msgpack_packer          packer;

    (void)state;
    buf_clear(&out);
    assert_int_equal(open_request(&request), ERR_malformed);
    assert_int_equal(request_decode(slice_of(NULL, 0), &request, &fault), ERR_malformed);
    for (int mark = 0; mark < 256; mark++) {
        char byte = (char)mark;

        assert_int_not_equal(request_decode(slice_of(&byte, 1), &request, &fault), ERR_none);
    }
    packer = begin(4);
    add_int(&packer, "v", 1);
    add_int(&packer, "id", 4);
    add_text(&packer, "body");
    for (size_t i = 0; i < 60000; i++)
        assert_int_equal(buf_add(&out, deep, 1), ERR_none);
    assert_int_equal(open_request(&request), ERR_malformed);
    assert_true(request.id == 4);
    packer = begin(2);
    add_int(&packer, "v", 1);
    add_int(&packer, "id", 4);
    assert_int_equal(buf_add(&out, deep, 1), ERR_none);
    assert_int_equal(open_request(&request), ERR_malformed); /* a byte behind the end */
}

/* More than a request may have: refused by size, with its id, in the time of a good one. */
static void test_too_large(void **state)
{
    size_t                  n = (size_t)10 * 1024 * 1024;
    char                   *filler = calloc(n, 1);
    struct request_envelope request;

    (void)state;
    assert_non_null(filler);
    for (int kind = 0; kind < 2; kind++) {
        msgpack_packer packer = begin(4);

        add_int(&packer, "v", 1);
        if (kind == 1)
            add_int(&packer, "id", 6);
        add_text(&packer, "body");
        if (kind == 0) { /* one long text, passed over in one step */
            msgpack_pack_str_with_body(&packer, filler, n);
        } else { /* ten million numbers: given up after as many as a good message can have */
            msgpack_pack_array(&packer, n);
            assert_int_equal(buf_add(&out, filler, n), ERR_none);
        }
        add_pair(&packer, "op", "account.get");
        if (kind == 0)
            add_int(&packer, "id", 6);
        assert_int_equal(open_request(&request), ERR_message_too_large);
        assert_true(request.id == 6);
    }
    free(filler);
}

static void test_reply(void **state)
{
    struct msg_event_ledger body = { .sequence = 12, .at = -5 };
    struct msg_event_ledger back;
    struct reply_envelope   reply;
    struct arena            none = { 0 };

    (void)state;
    buf_clear(&out);
    assert_int_equal(reply_encode(UINT64_MAX, &message_event_ledger, &body, &out), ERR_none);
    assert_int_equal(reply_decode(sealed(), &reply, &fault), ERR_none);
    assert_true(reply.ok && reply.id == UINT64_MAX);
    assert_int_equal(
        message_decode(&message_event_ledger, reply.body, DECODE_LENIENT, &none, &back, &fault),
        ERR_none);
    assert_int_equal(back.sequence, 12);
    assert_int_equal(back.at, -5);
}

static void test_every_error(void **state)
{
    struct reply_envelope reply;

    (void)state;
    for (int err = 1; err < ERR_count; err++) {
        struct fault told = { .err = (enum err)err, .retry_after_ms = err % 3 * 100 };

        if (err % 2 == 0)
            (void)snprintf(told.field, sizeof told.field, "amount");
        if (err % 5 == 0)
            (void)snprintf(told.text, sizeof told.text, "It is so");
        buf_clear(&out);
        assert_int_equal(reply_encode_error(8, &told, &out), ERR_none);
        assert_int_equal(reply_decode(sealed(), &reply, &fault), ERR_none);
        assert_false(reply.ok);
        assert_true(reply.id == 8);
        assert_int_equal(reply.body.n, 0);
        assert_true(slice_is(reply.error_name, err_name(told.err)));
        assert_true(slice_is(reply.error_class, err_class_name(err_class(told.err))));
        assert_true(slice_is(reply.what, err_what(told.err)));
        assert_true(slice_is(reply.not_done, err_class_promise(err_class(told.err))));
        assert_true(slice_is(reply.next, err_next(told.err)));
        assert_true(slice_is(reply.field, told.field));
        assert_true(slice_is(reply.text, told.text));
        assert_int_equal(reply.retry_after_ms, told.retry_after_ms);
    }
}

/* A reply that says both or neither, and one from a server that has grown. */
static void test_reply_shapes(void **state)
{
    struct reply_envelope reply;
    msgpack_packer        packer = begin(3);

    (void)state;
    add_int(&packer, "v", 1);
    add_int(&packer, "id", 1);
    add_text(&packer, "ok");
    msgpack_pack_true(&packer);
    assert_int_equal(reply_decode(sealed(), &reply, &fault), ERR_malformed);
    packer = begin(4);
    add_int(&packer, "v", 1);
    add_int(&packer, "id", 1);
    add_text(&packer, "ok");
    msgpack_pack_false(&packer);
    add_text(&packer, "body");
    msgpack_pack_map(&packer, 0);
    assert_int_equal(reply_decode(sealed(), &reply, &fault), ERR_malformed);
    packer = begin(5);
    add_int(&packer, "v", 1);
    add_int(&packer, "id", 1);
    add_int(&packer, "shard", 3);
    add_text(&packer, "ok");
    msgpack_pack_true(&packer);
    add_text(&packer, "body");
    msgpack_pack_map(&packer, 0);
    assert_int_equal(reply_decode(sealed(), &reply, &fault), ERR_none);
    assert_true(reply.ok);
}

static void test_events(void **state)
{
    struct arena       arena;
    static struct work work;

    (void)state;
    assert_int_equal(arena_init(&arena, 1 << 20), ERR_none);
    for (size_t i = 0; i < EVENT_INDEX_count; i++) {
        const struct message_desc *desc = event_rows[i].message;
        struct event_envelope      event;
        void                      *body = random_message(&random_, &arena, &work, desc);
        void                      *back = arena_take(&arena, desc->size);

        buf_clear(&out);
        assert_int_equal(event_encode((enum event_index)i, body, &out), ERR_none);
        assert_int_equal(event_decode(sealed(), &event, &fault), ERR_none);
        assert_true(slice_is(event.event, event_rows[i].name));
        assert_int_equal(message_decode(desc, event.body, DECODE_LENIENT, &arena, back, &fault),
                         ERR_none);
        assert_true(same_message(&work, desc, body, back));
    }
    arena_free(&arena);
}

static void test_random_bytes(void **state)
{
    static const char good[] = "\x84\xa1v\x01\xa2id\x05\xa2op\xa3"
                               "a.b\xa4"
                               "body\x81\xa1x\x02";

    (void)state;
    for (size_t round = 0; round < 200000; round++) {
        size_t                  n = sizeof good - 1;
        char                   *block = malloc(n);
        struct request_envelope request;
        struct reply_envelope   reply;
        struct event_envelope   event;

        assert_non_null(block);
        memcpy(block, good, n);
        for (size_t k = random_below(&random_, 5); k > 0; k--)
            block[random_below(&random_, n)] = (char)random_next(&random_);
        if (request_decode(slice_of(block, n), &request, &fault) == ERR_none)
            assert_true(request.op.n <= n && request.body.n <= n);
        (void)!reply_decode(slice_of(block, n), &reply, &fault);
        (void)!event_decode(slice_of(block, n), &event, &fault);
        free(block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_body_may_be_absent),
        cmocka_unit_test(test_bad_requests_have_an_id),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_junk),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_every_error),
        cmocka_unit_test(test_reply_shapes),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_random_bytes),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
