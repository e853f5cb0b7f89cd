/* The clients of the simulation (sim.h). Each does one thing at a time, as a careful program does:
 * the same ids until there is an answer; after TRIES, silence for longer than any message lives,
 * and then the look-up of the outcome, until that is answered. */
#include "tests/lib/sim_impl.h"

#include <string.h>

#include "common/check.h"

enum {
    TRIES = 3,
    PATIENCE_US = 400 * 1000,
    SILENCE_US = 4 * 1000 * 1000, /* longer than a message lives (sim_net.c) */
    BEGIN_ONE_IN = 3,
    FROZEN_MAX = 4,
    SHORT_FREEZE_US = 60 * 1000 * 1000,
    WRONG_ONE_IN = 10,   /* passwords */
    FORGOTTEN_HOURS = 7, /* of which in one a user has the password mostly wrong */
};

void sim_clients_open(struct sim *sim)
{
    for (int i = 0; i < SIM_CLIENTS; i++)
        sim->clients[i] = (struct sim_client){ .number = i, .user = i % SIM_USERS };
}

bool sim_clients_idle(const struct sim *sim)
{
    for (int i = 0; i < SIM_CLIENTS; i++)
        if (sim->clients[i].task != SIM_NOTHING)
            return false;
    return true;
}

/* --- saying ---------------------------------------------------------------------------------- */

void sim_client_send(struct sim *sim, struct sim_client *client, enum op_index op, const void *body)
{
    const struct op_row *row = &op_rows[op];
    struct slice         token = slice_of("", 0);
    struct buf           bytes;

    buf_init(&bytes, SIM_MESSAGE_BYTES);
    if (!client->logging_in)
        token = slice_of((const char *)client->token, sizeof client->token);
    client->request_id++;
    CHECK(request_encode(client->request_id, row->name, token, row->request, body, &bytes) ==
          ERR_none);
    sim_send(sim, true, client->number, &bytes);
    buf_free(&bytes);
    client->sent_at_us = sim->now_us;
    client->again_at_us =
        sim->now_us + PATIENCE_US + (int64_t)random_below(&sim->random, PATIENCE_US);
}

static void send_login(struct sim *sim, struct sim_client *client)
{
    struct msg_session_login in = { .email = slice_from(sim->users[client->user].email),
                                    .password = slice_from(SIM_PASSWORD) };
    bool forgotten = (sim->now_us / US_PER_HOUR + client->user) % FORGOTTEN_HOURS == 0;

    if (sim_chance(sim, WRONG_ONE_IN) != forgotten)
        in.password = slice_from("another password");
    client->logging_in = true;
    sim_client_send(sim, client, OP_INDEX_session_login, &in);
}

static void send_create(struct sim *sim, struct sim_client *client)
{
    const struct sim_post        *post = &sim->posts[client->post];
    struct msg_transaction_create in = { .transaction_id = post->id, .amount = post->amount };

    in.amount += client->task == SIM_ALTERED;
    in.account_id = sim->account_ids[post->from < 0 ? post->to : post->from];
    in.type = post->from < 0 ? TYPE_DEPOSIT : post->to >= 0 ? TYPE_TRANSFER : TYPE_WITHDRAWAL;
    if (post->party < SIM_PARTIES) {
        in.type = TYPE_PAYMENT;
        MSG_SET(&in, transaction_create, counterparty, sim_party(post->party));
    }
    if (in.type == TYPE_TRANSFER)
        MSG_SET(&in, transaction_create, counterparty_account_id, sim->account_ids[post->to]);
    sim_client_send(sim, client, OP_INDEX_transaction_create, &in);
}

/* Release, rejection and reversal. */
static void send_decision(struct sim *sim, struct sim_client *client)
{
    const struct sim_post     *post = &sim->posts[client->post];
    struct msg_transaction_act act = { .transaction_id = post->id,
                                       .reason = slice_from("a reason") };

    if (client->task == SIM_REVERSE) {
        struct msg_transaction_reverse in = { .transaction_id = sim->posts[post->reverses].id,
                                              .reversal_id = post->id,
                                              .reason = slice_from("a reason") };

        sim_client_send(sim, client, OP_INDEX_transaction_reverse, &in);
    } else {
        sim_client_send(sim, client,
                        client->task == SIM_RELEASE ? OP_INDEX_transaction_release
                                                    : OP_INDEX_transaction_reject,
                        &act);
    }
}

static void send_account(struct sim *sim, struct sim_client *client)
{
    const struct uuid        *id = &sim->account_ids[client->post];
    struct msg_account_ref    ref = { .account_id = *id };
    struct msg_account_act    act = { .account_id = *id, .reason = slice_from("a reason") };
    struct msg_account_freeze freeze = { .account_id = *id, .reason = slice_from("a reason") };

    MSG_SET(&freeze, account_freeze, direction, client->choice);
    if (client->until_us != 0)
        MSG_SET(&freeze, account_freeze, until, client->until_us);
    if (client->task == SIM_ACCOUNT)
        sim_client_send(sim, client, OP_INDEX_account_get, &ref);
    else if (client->task == SIM_FREEZE)
        sim_client_send(sim, client, OP_INDEX_account_freeze, &freeze);
    else
        sim_client_send(sim, client, OP_INDEX_account_unfreeze, &act);
}

static void send_alert(struct sim *sim, struct sim_client *client)
{
    struct msg_alert_ref    ref = { .alert_id = client->alert };
    struct msg_alert_note   note = { .alert_id = client->alert, .note = slice_from("a note") };
    struct msg_alert_decide decide = { .alert_id = client->alert,
                                       .decision = client->choice,
                                       .note = slice_from("why") };

    if (client->task == SIM_TAKE)
        sim_client_send(sim, client, OP_INDEX_alert_take, &ref);
    else if (client->task == SIM_NOTE)
        sim_client_send(sim, client, OP_INDEX_alert_note, &note);
    else
        sim_client_send(sim, client, OP_INDEX_alert_decide, &decide);
}

/* Of the forbidden, one act for analysts and one for the others. */
static void send_other(struct sim *sim, struct sim_client *client)
{
    struct msg_empty        nothing = { 0 };
    struct msg_alert_next   next = { .has = 0 };
    struct msg_controls_set set = { .reason = slice_from("a reason") };
    bool is_analyst = client->user >= SIM_ANALYSTS && client->user < SIM_OFFICERS;

    if (client->task == SIM_LOGOUT)
        sim_client_send(sim, client, OP_INDEX_session_logout, &nothing);
    else if (is_analyst)
        sim_client_send(sim, client, OP_INDEX_controls_set, &set);
    else
        sim_client_send(sim, client, OP_INDEX_alert_next, &next);
}

static void send_task(struct sim *sim, struct sim_client *client)
{
    struct msg_transaction_ref ref = { .transaction_id = sim->posts[client->post].id };

    if (!client->has_token)
        send_login(sim, client);
    else if (client->looking_up || client->task == SIM_LOOK)
        sim_client_send(sim, client, OP_INDEX_transaction_get, &ref);
    else if (client->task == SIM_POST || client->task == SIM_ALTERED)
        send_create(sim, client);
    else if (client->task >= SIM_NEXT)
        sim_desk_send(sim, client);
    else if (client->task >= SIM_LOGOUT)
        send_other(sim, client);
    else if (client->task >= SIM_TAKE)
        send_alert(sim, client);
    else if (client->task >= SIM_ACCOUNT)
        send_account(sim, client);
    else
        send_decision(sim, client);
}

/* --- beginning ------------------------------------------------------------------------------- */

/* The next post, with an id that has its number in it. */
static struct sim_post *next_post(struct sim *sim, const struct sim_client *client)
{
    struct sim_post *post = &sim->posts[sim->post_count];
    uint64_t         high = random_next(&sim->random);
    uint8_t          tail[10] = { 0 };

    memcpy(tail, &high, 6);
    for (int i = 0; i < 4; i++)
        tail[6 + i] = (uint8_t)(sim->post_count >> (24 - 8 * i));
    memset(post, 0, sizeof *post);
    post->id = uuid_v7_derived(sim->now_us, tail);
    post->user = client->user;
    post->party = SIM_PARTIES;
    post->reverses = SIM_NONE;
    post->reversed_by = SIM_NONE;
    sim->post_count++;
    return post;
}

static size_t make_reversal(struct sim *sim, const struct sim_client *client, size_t undone)
{
    struct sim_post *post = next_post(sim, client);

    post->from = sim->posts[undone].to;
    post->to = sim->posts[undone].from;
    post->amount = sim->posts[undone].amount;
    post->reverses = undone;
    return sim->post_count - 1;
}

static size_t make_post(struct sim *sim, const struct sim_client *client)
{
    struct sim_post *post = next_post(sim, client);
    uint64_t         size = random_below(&sim->random, 10);

    post->from = (int)random_below(&sim->random, SIM_ACCOUNTS + 6) - 6;
    post->to = (int)random_below(&sim->random, SIM_ACCOUNTS + 6) - 6;
    post->from = post->from < 0 ? -1 : post->from;
    post->to = post->to < 0 || post->to == post->from ? -1 : post->to;
    if (post->from < 0 && post->to < 0)
        post->to = 0;
    if (post->to < 0 && post->from >= 0 && sim_chance(sim, 2))
        post->party = (int)random_below(&sim->random, SIM_PARTIES);
    post->amount = 1 + (int64_t)random_below(&sim->random, post->from < 0 ? 40000 : 4998);
    if (size < 3 && post->from >= 0)
        post->amount = 5000 + (int64_t)random_below(&sim->random, size == 0 ? 9000 : 3999);
    return sim->post_count - 1;
}

/* A post that somebody has heard of. */
static bool find_known(struct sim *sim, const struct sim_client *client, bool own, size_t *out)
{
    size_t newest = sim->post_count < 400 ? sim->post_count : 400;

    for (int tries = 0; tries < 8 && newest > 0; tries++) {
        size_t i = sim->post_count - 1 - random_below(&sim->random, newest);

        if (!sim->posts[i].acknowledged || (own && sim->posts[i].user != client->user))
            continue;
        *out = i;
        return true;
    }
    return false;
}

/* Half of the decisions are on the hold that ends first. */
static bool find_decidable(struct sim *sim, const struct sim_client *client, size_t *out)
{
    size_t hold = sim_model_next_hold(sim);

    if (hold == SIM_NONE || !sim->posts[hold].acknowledged || sim_chance(sim, 2))
        return find_known(sim, client, false, out);
    *out = hold;
    return true;
}

static enum sim_task draw_task(struct sim *sim, const struct sim_client *client)
{
    uint64_t dice = random_below(&sim->random, 100);

    static const enum sim_task of_analysts[] = { SIM_RELEASE, SIM_RELEASE, SIM_RELEASE,  SIM_REJECT,
                                                 SIM_REJECT,  SIM_FREEZE,  SIM_UNFREEZE, SIM_TAKE,
                                                 SIM_DECIDE,  SIM_DECIDE,  SIM_NOTE };

    if (dice < 40)
        return SIM_POST;
    if (dice < 47)
        return SIM_LOOK;
    if (dice < 52)
        return SIM_ACCOUNT;
    if (dice < 53)
        return SIM_LOGOUT;
    if (dice < 54)
        return SIM_FORBIDDEN;
    if (dice < 56)
        return SIM_ALTERED;
    if (dice < 62)
        return SIM_NOTHING; /* an old post once more */
    if (client->user < SIM_ANALYSTS)
        return dice < 84 ? SIM_REVERSE : SIM_NOTHING;
    if (client->user >= SIM_OFFICERS && sim_chance(sim, 8))
        return sim_chance(sim, 2) ? SIM_FREEZE : SIM_UNFREEZE;
    if (client->user >= SIM_OFFICERS || sim_chance(sim, 2))
        return sim_desk_draw(sim, client);
    return of_analysts[random_below(&sim->random, ARRAY_COUNT(of_analysts))];
}

static bool find_alert(struct sim *sim, struct sim_client *client)
{
    client->choice = DECISION_CONFIRMED_FRAUD + (int32_t)random_below(&sim->random, 3);
    return sim_desk_alerts(sim, &client->alert, 1) > 0;
}

/* Freezes are few, and end: else nothing moves any more. */
static bool find_account(struct sim *sim, struct sim_client *client, enum sim_task task)
{
    size_t frozen = SIM_NONE;
    size_t count = 0;

    for (size_t i = 0; i < SIM_ACCOUNTS; i++)
        if (sim->books.freezes[i].direction != 0 && random_below(&sim->random, ++count) == 0)
            frozen = i;
    client->post = random_below(&sim->random, SIM_ACCOUNTS);
    client->choice = FREEZE_DEBIT + (int32_t)random_below(&sim->random, 3);
    client->until_us = sim_chance(sim, 2) ? 0
                                          : sim->now_us + SHORT_FREEZE_US +
                                                (int64_t)random_below(&sim->random, US_PER_HOUR);
    if (task == SIM_UNFREEZE && frozen != SIM_NONE)
        client->post = frozen;
    return task != SIM_FREEZE || count < FROZEN_MAX;
}

/* An old post of one's own once more. */
static enum sim_task again(const struct sim *sim, const struct sim_client *client)
{
    return sim->posts[client->post].reverses != SIM_NONE ? SIM_REVERSE : SIM_POST;
}

static void begin(struct sim *sim, struct sim_client *client)
{
    enum sim_task task = draw_task(sim, client);
    bool          own = task == SIM_ALTERED || task == SIM_NOTHING;

    if ((task == SIM_POST || task == SIM_REVERSE) && sim->post_count == SIM_POSTS_MAX)
        return;
    if (task == SIM_POST)
        client->post = make_post(sim, client);
    else if (task >= SIM_NEXT      ? !sim_desk_begin(sim, client, task)
             : task >= SIM_LOGOUT  ? false
             : task >= SIM_TAKE    ? !find_alert(sim, client)
             : task >= SIM_ACCOUNT ? !find_account(sim, client, task)
             : task == SIM_RELEASE || task == SIM_REJECT
                 ? !find_decidable(sim, client, &client->post)
                 : !find_known(sim, client, own, &client->post))
        return;
    if (task == SIM_REVERSE)
        client->post = make_reversal(sim, client, client->post);
    client->task = task == SIM_NOTHING ? again(sim, client) : task;
    client->tries = 1;
    client->looking_up = false;
    client->first_request_id = client->request_id + 1;
    send_task(sim, client);
}

void sim_client_step(struct sim *sim, struct sim_client *client)
{
    bool changes = client->task == SIM_POST || client->task == SIM_RELEASE ||
                   client->task == SIM_REJECT || client->task == SIM_ALTERED ||
                   client->task == SIM_REVERSE;

    if (client->task == SIM_NOTHING) {
        if (sim->figures.operations < sim->wanted && sim_chance(sim, BEGIN_ONE_IN))
            begin(sim, client);
        return;
    }
    if (sim->now_us < client->again_at_us)
        return;
    if (!client->looking_up && changes && client->tries >= TRIES) {
        if (sim->now_us - client->sent_at_us < SILENCE_US)
            return;
        client->looking_up = true;
        client->first_request_id = client->request_id + 1;
        sim->figures.lookups++;
    }
    client->tries++;
    send_task(sim, client);
}

/* --- hearing --------------------------------------------------------------------------------- */

static void finish(struct sim *sim, struct sim_client *client)
{
    client->task = SIM_NOTHING;
    client->looking_up = false;
    sim->figures.operations++;
}

/* What a client hears must be what the bank has done: nothing is told before it is true. */
static void hear_transaction(struct sim *sim, struct sim_client *client, struct slice body)
{
    static char            space[65536];
    struct arena           arena = { .at = space, .size = sizeof space };
    struct sim_post       *post = &sim->posts[client->post];
    struct msg_transaction out;

    CHECK(message_decode(&message_transaction, body, DECODE_LENIENT, &arena, &out, NULL) ==
          ERR_none);
    SIM_REQUIRE(sim, uuid_equal(&out.transaction_id, &post->id), "an answer is another's");
    SIM_REQUIRE(sim, post->status != 0, "a client is told of a post that was not done");
    SIM_REQUIRE(sim,
                out.amount == post->amount && out.sequence == post->sequence &&
                    out.posted_at == post->posted_at_us,
                "two clients are told different things of one post");
    SIM_REQUIRE(sim, client->task != SIM_ALTERED || client->looking_up,
                "an id is taken with other content");
    post->acknowledged = true;
    finish(sim, client);
}

static void hear_refusal(struct sim *sim, struct sim_client *client,
                         const struct reply_envelope *reply)
{
    struct sim_post *post = &sim->posts[client->post];

    if (slice_is(reply->error_name, "session_invalid")) {
        if (client->has_token && !client->logging_in) {
            client->has_token = false;
            send_login(sim, client);
        }
        return;
    }
    if (slice_is(reply->error_class, "internal") || slice_is(reply->error_name, "login_failed") ||
        slice_is(reply->error_name, "login_locked"))
        return; /* asked again when it is time */
    SIM_REQUIRE(sim, (client->task == SIM_FORBIDDEN) == slice_is(reply->error_name, "role_denied"),
                "a client is denied what it may, or may do what it must not");
    SIM_REQUIRE(sim,
                client->task >= SIM_LOGOUT || slice_is(reply->error_class, "conflict") ||
                    slice_is(reply->error_name, "own_transaction") ||
                    slice_is(reply->error_name, "alert_locked") ||
                    slice_is(reply->error_name, "range_invalid"),
                "a client is told of an error that it cannot expect");
    if (slice_is(reply->error_name, "not_found") && client->looking_up &&
        (client->task == SIM_POST || client->task == SIM_REVERSE)) {
        SIM_REQUIRE(sim, post->status == 0, "a client is told that a post is not there, and it is");
        post->given_up = true;
    }
    finish(sim, client);
}

void sim_client_hear(struct sim *sim, const struct sim_message *message)
{
    struct sim_client    *client = &sim->clients[message->client];
    struct slice          bytes = slice_of(message->bytes, message->n);
    struct reply_envelope reply;
    static char           space[8192];
    struct arena          arena = { .at = space, .size = sizeof space };
    struct msg_session    session;

    CHECK(reply_decode(bytes, &reply, NULL) == ERR_none);
    if (client->task == SIM_NOTHING || reply.id < client->first_request_id)
        return; /* somebody else's, or too late */
    if (!reply.ok) {
        hear_refusal(sim, client, &reply);
        return;
    }
    if (message_decode(&message_session, reply.body, DECODE_LENIENT, &arena, &session, NULL) ==
        ERR_none) {
        memcpy(client->token, session.token.at, sizeof client->token);
        client->has_token = true;
        if (client->logging_in) {
            client->logging_in = false;
            send_task(sim, client);
        }
        return;
    }
    if (client->task == SIM_LOGOUT)
        client->has_token = false;
    if (client->task >= SIM_ACCOUNT)
        finish(sim, client);
    else
        hear_transaction(sim, client, reply.body);
}
