/* The log: the form of a line, that nothing can break it, levels, the limit per event and what is
 * told about it, and quoting. The clock is ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "tests/unit/random.h"

enum { THREADS = 4, ROUNDS = 20000 };

static int64_t wall_us;
static int64_t monotonic_us;

static int64_t fake_now_us(struct clock *clock)
{
    (void)clock;
    return wall_us;
}

static int64_t fake_monotonic_us(struct clock *clock)
{
    (void)clock;
    return monotonic_us;
}

static struct clock fake_clock = { fake_now_us, fake_monotonic_us };

/* stderr goes to a file while a test looks at it. */
static char captured[1 << 20];
static int  capture_fd = -1;
static int  stderr_before = -1;

static void capture_begin(void)
{
    FILE *file = tmpfile();

    assert_non_null(file);
    capture_fd = dup(fileno(file));
    fclose(file);
    stderr_before = dup(STDERR_FILENO);
    assert_true(capture_fd >= 0 && stderr_before >= 0);
    assert_true(dup2(capture_fd, STDERR_FILENO) >= 0);
}

static const char *capture_end(void)
{
    ssize_t n;

    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    n = pread(capture_fd, captured, sizeof captured - 1, 0);
    close(capture_fd);
    assert_true(n >= 0);
    captured[n] = '\0';
    return captured;
}

static int count_of(const char *text, const char *what)
{
    int count = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}

/* Each test begins in a second of its own, with nothing left to tell. */
static int setup(void **state)
{
    (void)state;
    log_set_clock(&fake_clock);
    log_set_level(LOG_INFO);
    wall_us = time_from_civil(2026, 11, 22) * US_PER_DAY + 16 * US_PER_HOUR + 123456;
    monotonic_us += 10 * US_PER_SECOND;
    capture_begin();
    log_flush();
    capture_end();
    return 0;
}

static void test_line_has_its_form(void **state)
{
    (void)state;
    capture_begin();
    log_event(LOG_INFO, "started", "endpoint=%s accounts=%d", "ipc:///run/x", 7);
    wall_us += 7 * US_PER_SECOND - 123456;
    log_event(LOG_ERROR, "stopped", NULL);
    wall_us = -1;
    log_event(LOG_WARNING, "odd", "%s", "");
    assert_string_equal(capture_end(),
                        "2026-11-22T16:00:00.123Z level=info event=started "
                        "endpoint=ipc:///run/x accounts=7\n"
                        "2026-11-22T16:00:07.000Z level=error event=stopped\n"
                        "1969-12-31T23:59:59.999Z level=warning event=odd \n");
}

static void test_levels(void **state)
{
    (void)state;
    assert_int_equal(log_level_from_name("error"), LOG_ERROR);
    assert_int_equal(log_level_from_name("debug"), LOG_DEBUG);
    assert_int_equal(log_level_from_name("loud"), -1);
    assert_int_equal(log_level_from_name(""), -1);
    capture_begin();
    log_event(LOG_DEBUG, "unseen", "x=1");
    log_set_level(LOG_DEBUG);
    log_event(LOG_DEBUG, "seen", "x=2");
    log_set_level(LOG_ERROR);
    log_event(LOG_WARNING, "unseen", "x=3");
    log_event(LOG_ERROR, "seen", "x=4");
    assert_null(strstr(capture_end(), "unseen"));
    assert_int_equal(count_of(captured, "event=seen"), 2);
}

static void test_nothing_makes_a_second_line(void **state)
{
    static char long_text[LOG_LINE_MAX * 2];
    const char *text;

    (void)state;
    capture_begin();
    log_event(LOG_INFO, "evil", "x=%s", "a\n2026-11-22T00:00:00Z level=error event=forged\x1b[2J");
    text = capture_end();
    assert_int_equal(count_of(text, "\n"), 1);
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_null(strchr(text, '\x1b'));
    for (int shift = 0; shift < 4; shift++) {
        size_t n = (size_t)shift;

        memset(long_text, 'x', sizeof long_text);
        for (; n + 3 < sizeof long_text; n += 3)
            memcpy(long_text + n, "\xe2\x82\xac", 3);
        long_text[n] = '\0';
        capture_begin();
        log_event(LOG_INFO, "long", "%s", long_text);
        text = capture_end();
        assert_int_equal(count_of(text, "\n"), 1);
        assert_true(strlen(text) < LOG_LINE_MAX && strlen(text) > LOG_LINE_MAX - 6);
        assert_true(slice_is_utf8(slice_from(text)));
    }
}

static void test_errno_stays(void **state)
{
    (void)state;
    capture_begin();
    errno = ENOENT;
    log_event(LOG_INFO, "reason", "why=\"%m\"");
    assert_int_equal(errno, ENOENT);
    close(STDERR_FILENO); /* a log that cannot be written is no error of the caller */
    log_event(LOG_INFO, "nowhere", "x=1");
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(capture_end(), "why=\"No such file or directory\""));
}

static void test_each_event_is_limited_by_itself(void **state)
{
    (void)state;
    capture_begin();
    for (int i = 0; i < LOG_BURST + 30; i++)
        log_event(LOG_INFO, "flood", "i=%d", i);
    log_event(LOG_INFO, "calm", "x=1");
    monotonic_us += US_PER_SECOND - 1;
    log_event(LOG_INFO, "flood", "late=1");
    capture_end();
    assert_int_equal(count_of(captured, "event=flood"), LOG_BURST);
    assert_int_equal(count_of(captured, "event=calm"), 1);
    assert_null(strstr(captured, "log_limited"));
    capture_begin();
    monotonic_us += 1;
    log_event(LOG_INFO, "calm", "x=2");
    log_event(LOG_INFO, "flood", "new=1");
    log_flush();
    capture_end();
    assert_int_equal(count_of(captured, "level=warning event=log_limited name=flood left_out=31\n"),
                     1);
    assert_int_equal(count_of(captured, "log_limited"), 1);
    assert_int_equal(count_of(captured, "event=flood new=1"), 1);
}

static void test_flush_tells_at_once(void **state)
{
    (void)state;
    capture_begin();
    for (int i = 0; i < LOG_BURST + 2; i++) {
        log_event(LOG_INFO, "last_words", "i=%d", i);
        log_event(LOG_INFO, "more_words", "i=%d", i);
    }
    log_flush();
    log_flush();
    capture_end();
    assert_int_equal(count_of(captured, "name=last_words left_out=2\n"), 1);
    assert_int_equal(count_of(captured, "name=more_words left_out=2\n"), 1);
    assert_int_equal(count_of(captured, "log_limited"), 2);
}

static void *log_much(void *argument)
{
    const char *event = argument;

    for (int i = 0; i < LOG_BURST; i++)
        log_event(LOG_INFO, event, "thread=%s number=%d text=%0100d", event, i, 0);
    return NULL;
}

static void test_threads_do_not_mix_their_lines(void **state)
{
    static char names[THREADS][8] = { "t_one", "t_two", "t_three", "t_four" };
    pthread_t   threads[THREADS];
    int         lines = 0;

    (void)state;
    capture_begin();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_much, names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (const char *at = capture_end(); *at != '\0'; at += strcspn(at, "\n") + 1, lines++) {
        char event[16] = "";
        char thread[16] = "";
        int  number = -1;

        assert_int_equal(sscanf(at, "%*s level=info event=%15s thread=%15s number=%d text=", event,
                                thread, &number),
                         3);
        assert_string_equal(event, thread);
        assert_in_range(number, 0, LOG_BURST - 1);
    }
    assert_int_equal(lines, THREADS * LOG_BURST);
}

static void test_quoting(void **state)
{
    char out[64];
    char small[9];

    (void)state;
    assert_string_equal(log_quote("plain text", 10, out, sizeof out), "\"plain text\"");
    assert_string_equal(log_quote("", 0, out, sizeof out), "\"\"");
    assert_string_equal(log_quote(NULL, 0, out, sizeof out), "\"\"");
    assert_string_equal(log_quote("a\"b\\c\nd\te\rf", 11, out, sizeof out),
                        "\"a\\\"b\\\\c\\nd\\te\\rf\"");
    assert_string_equal(log_quote("\x1b[2J\0\x7f", 6, out, sizeof out), "\"\\x1b[2J\\x00\\x7f\"");
    assert_string_equal(log_quote("\xc5\x99\xff\xc2\x9b", 5, out, sizeof out),
                        "\"\xc5\x99\\xff\\xc2\\x9b\"");
    assert_string_equal(log_quote("123456789", 9, small, sizeof small), "\"123456\"");
    assert_string_equal(log_quote("12345\xc5\x99", 7, small, sizeof small), "\"12345\"");
    assert_string_equal(log_quote("12345\n", 6, small, sizeof small), "\"12345\"");
    assert_string_equal(log_quote("x", 1, small, 3), "\"\"");
}

/* Whatever the bytes and the room: closed, whole characters, no control byte. */
static void test_no_bytes_get_out_of_quotes(void **state)
{
    struct random random = random_start(__func__);

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        char   text[40];
        char   out[100];
        size_t n = random_below(&random, sizeof text);
        size_t size = 3 + random_below(&random, sizeof out - 3);
        size_t at = 1;

        for (size_t j = 0; j < n; j++)
            text[j] = (char)random_next(&random);
        log_quote(text, n, out, size);
        assert_true(strlen(out) < size);
        assert_true(slice_is_utf8(slice_from(out)));
        assert_null(strpbrk(out, "\n\t"));
        assert_int_equal(out[0], '"');
        while (out[at] != '"' && out[at] != '\0')
            at += out[at] == '\\' ? 2 : 1;
        assert_int_equal(out[at], '"');
        assert_int_equal(out[at + 1], '\0');
    }
}

/* The last test, because the table of names stays full. */
static void test_more_events_than_the_table_holds(void **state)
{
    int lines;

    (void)state;
    capture_begin();
    for (int i = 0; i < 1000; i++) {
        char event[24];

        snprintf(event, sizeof event, "many_%d", i);
        log_event(LOG_INFO, event, "x=1");
    }
    log_flush();
    capture_end();
    lines = count_of(captured, "event=many_");
    assert_in_range(lines, 100, 128 + LOG_BURST);
    assert_int_equal(count_of(captured, "event=log_limited name=others"), 1);
    assert_int_equal(count_of(captured, "log_limited"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_line_has_its_form, setup),
        cmocka_unit_test_setup(test_levels, setup),
        cmocka_unit_test_setup(test_nothing_makes_a_second_line, setup),
        cmocka_unit_test_setup(test_errno_stays, setup),
        cmocka_unit_test_setup(test_each_event_is_limited_by_itself, setup),
        cmocka_unit_test_setup(test_flush_tells_at_once, setup),
        cmocka_unit_test_setup(test_threads_do_not_mix_their_lines, setup),
        cmocka_unit_test_setup(test_quoting, setup),
        cmocka_unit_test_setup(test_no_bytes_get_out_of_quotes, setup),
        cmocka_unit_test_setup(test_more_events_than_the_table_holds, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
