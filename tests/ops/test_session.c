/* Sessions end when they must, tokens open only their own, and failed logins are slowed down
 * without telling who exists. */
#include "bankd/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

enum { IDLE_S = 600, ABSOLUTE_S = 3600 };

static struct sessions *open_sessions(void)
{
    struct sessions *sessions = NULL;

    assert_int_equal(sessions_open(IDLE_S * US_PER_SECOND, ABSOLUTE_S * US_PER_SECOND, &sessions),
                     ERR_none);
    return sessions;
}

static struct slice start(struct sessions *sessions, int64_t user, int64_t now_us,
                          uint8_t token[32])
{
    struct actor actor = {.user = user, .role = ROLE_FRAUD_ANALYST};
    struct session *session;

    assert_int_equal(session_start(sessions, &actor, "Ann", now_us, token, &session), ERR_none);
    return slice_of((const char *)token, 32);
}

static void a_token_opens_its_own_session_only(void **state)
{
    struct sessions *sessions = open_sessions();
    uint8_t one[32], two[32];
    struct slice first = start(sessions, 1, 1, one);
    struct slice second = start(sessions, 2, 1, two);

    (void)state;
    assert_int_equal(session_find(sessions, first, 2)->actor.user, 1);
    assert_int_equal(session_find(sessions, second, 2)->actor.user, 2);
    one[31] ^= 1;
    assert_null(session_find(sessions, first, 2));
    one[31] ^= 1;
    assert_null(session_find(sessions, slice_of((const char *)one, 31), 2));
    session_end(sessions, session_find(sessions, first, 2));
    assert_null(session_find(sessions, first, 2));
    assert_non_null(session_find(sessions, second, 2));
    assert_int_equal(sessions_count(sessions), 1);
    sessions_close(&sessions);
}

static void ends_when_idle_and_at_the_latest(void **state)
{
    struct sessions *sessions = open_sessions();
    uint8_t token[32];
    struct slice slice = start(sessions, 1, 0, token);
    int64_t at_us = 0;

    (void)state;
    while (at_us + (IDLE_S - 1) * US_PER_SECOND < ABSOLUTE_S * US_PER_SECOND) {
        at_us += (IDLE_S - 1) * US_PER_SECOND;
        assert_non_null(session_find(sessions, slice, at_us));
    }
    assert_null(session_find(sessions, slice, ABSOLUTE_S * US_PER_SECOND));
    slice = start(sessions, 1, 0, token);
    assert_null(session_find(sessions, slice, IDLE_S * US_PER_SECOND));
    assert_int_equal(sessions_count(sessions), 0);
    sessions_close(&sessions);
}

static void the_oldest_of_too_many_goes(void **state)
{
    struct sessions *sessions = open_sessions();
    uint8_t tokens[LIMIT_SESSIONS_PER_USER_MAX + 1][32];

    (void)state;
    for (int i = 0; i <= LIMIT_SESSIONS_PER_USER_MAX; i++)
        start(sessions, 7, i + 1, tokens[i]);
    assert_int_equal(sessions_count(sessions), LIMIT_SESSIONS_PER_USER_MAX);
    assert_null(session_find(sessions, slice_of((const char *)tokens[0], 32), 100));
    assert_non_null(session_find(sessions, slice_of((const char *)tokens[1], 32), 100));
    sessions_close(&sessions);
}

static void every_slot_can_be_used_and_no_more(void **state)
{
    struct sessions *sessions = open_sessions();
    struct actor actor = {.role = ROLE_FRAUD_ANALYST};
    struct session *session;
    uint8_t token[32];

    (void)state;
    for (int64_t i = 0; i < LIMIT_SESSIONS_MAX; i++)
        start(sessions, i + 1, 1, token);
    actor.user = LIMIT_SESSIONS_MAX + 1;
    assert_int_equal(session_start(sessions, &actor, "", 2, token, &session), ERR_busy);
    assert_int_equal(
        session_start(sessions, &actor, "", IDLE_S * US_PER_SECOND + 1, token, &session), ERR_none);
    sessions_close(&sessions);
}

static void a_topic_belongs_to_an_open_session(void **state)
{
    struct sessions *sessions = open_sessions();
    uint8_t token[32];
    char topic[SESSION_TOPIC_MAX];
    struct session *session = session_find(sessions, start(sessions, 1, 0, token), 0);

    (void)state;
    memcpy(topic, session->topic, sizeof topic);
    assert_true(sessions_have_topic(sessions, slice_from(topic)));
    assert_false(sessions_have_topic(sessions, slice_of(topic, 8)));
    assert_false(sessions_have_topic(sessions, slice_of("", 0)));
    session_end(sessions, session);
    assert_false(sessions_have_topic(sessions, slice_from(topic)));
    sessions_close(&sessions);
}

static void failed_logins_wait_longer_and_longer(void **state)
{
    struct sessions *sessions = open_sessions();
    struct slice email = slice_from("Ann@bank.example");
    int64_t before_ms = 0;

    (void)state;
    for (int i = 0; i < LIMIT_LOGIN_FAILURES_MAX; i++) {
        assert_int_equal(login_wait_ms(sessions, email, 0), 0);
        login_failed(sessions, email, 0);
    }
    for (int i = 0; i < 20; i++) {
        int64_t wait_ms = login_wait_ms(sessions, slice_from("ann@bank.EXAMPLE"), 0);

        assert_true(wait_ms >= before_ms && wait_ms > 0 && wait_ms <= 15 * 60 * 1000);
        before_ms = wait_ms;
        login_failed(sessions, email, 0);
    }
    assert_int_equal(login_wait_ms(sessions, email, (before_ms + 1) * US_PER_MS), 0);
    assert_int_equal(login_wait_ms(sessions, slice_from("bob@bank.example"), 0), 0);
    login_succeeded(sessions, email);
    assert_int_equal(login_wait_ms(sessions, email, 0), 0);
    sessions_close(&sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_opens_its_own_session_only),
        cmocka_unit_test(ends_when_idle_and_at_the_latest),
        cmocka_unit_test(the_oldest_of_too_many_goes),
        cmocka_unit_test(every_slot_can_be_used_and_no_more),
        cmocka_unit_test(a_topic_belongs_to_an_open_session),
        cmocka_unit_test(failed_logins_wait_longer_and_longer),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
