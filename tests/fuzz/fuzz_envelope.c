/* Fuzzes what a stranger's bytes meet first: the three envelopes, and behind a good request's
 * the body of its operation, as the server reads it.
 *
 * A good envelope must be stable: sealed again with what was read, it opens to the same. Seeds
 * are in tests/fuzz/corpus/fuzz_envelope. */
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void seal_again(const struct request_envelope *request, const struct op_row *op,
                       const void *body)
{
    struct request_envelope again;
    struct buf              out;

    buf_init(&out, (size_t)LIMIT_MESSAGE_MAX * 2);
    CHECK(request_encode(request->id, op->name, request->token, op->request, body, &out) ==
          ERR_none);
    CHECK(request_decode(slice_of(out.at, out.n), &again, NULL) == ERR_none);
    CHECK(again.id == request->id && slice_equal(again.op, request->op) &&
          slice_equal(again.token, request->token));
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct arena     arena;
    struct slice            bytes = slice_of((const char *)data, n);
    struct request_envelope request;
    struct reply_envelope   reply;
    struct event_envelope   event;
    struct fault            fault = { 0 };
    const struct op_row    *op;
    void                   *body;

    if (arena.at == NULL)
        CHECK(arena_init(&arena, LIMIT_REQUEST_ARENA) == ERR_none);
    arena_reset(&arena);
    if (reply_decode(bytes, &reply, &fault) == ERR_none)
        CHECK(reply.ok == (reply.body.n > 0));
    if (event_decode(bytes, &event, &fault) == ERR_none)
        CHECK(event.body.n > 0);
    if (request_decode(bytes, &request, &fault) != ERR_none) {
        CHECK(slice_is_utf8(slice_from(fault.text)) && slice_is_utf8(slice_from(fault.field)));
        return 0;
    }
    op = op_find(request.op);
    if (op == NULL)
        return 0;
    body = arena_take(&arena, op->request->size);
    CHECK(body != NULL);
    if (message_decode(op->request, request.body, DECODE_STRICT, &arena, body, &fault) == ERR_none)
        seal_again(&request, op, body);
    return 0;
}
