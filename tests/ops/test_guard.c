/* The guard (bankd/guard.h) with sockets of its own: whom it cuts, and whom it leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bankd/guard.h"
#include "common/check.h"
#include "common/limits.h"

enum {
    FILES_MAX = 1024,
    CLIENTS = 6,
    SECOND_US = 1000000,
    BLOCKS = 16384,
    BLOCK_BYTES = 4000,
    FILES_MANY = 800
};

struct house {
    char          folder[64], path[80], endpoint[96];
    int           listening;
    int           clients[CLIENTS], served[CLIENTS];
    struct guard *guard;
};

static void come(struct house *house, int i)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof address.sun_path, "%s", house->path);
    house->clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(house->clients[i], (void *)&address, sizeof address), 0);
    house->served[i] = accept(house->listening, NULL, NULL);
    assert_true(house->served[i] >= 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void come_again(struct house *house, int i)
{
    close(house->clients[i]);
    close(house->served[i]);
    come(house, i);
}
#endif

static void open_house(struct house *house, int files_stay, int64_t bytes_max)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(house->folder, sizeof house->folder, "/tmp/bank-guard-XXXXXX");
    assert_non_null(mkdtemp(house->folder));
    snprintf(house->path, sizeof house->path, "%s/sock", house->folder);
    snprintf(house->endpoint, sizeof house->endpoint, "ipc://%s", house->path);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", house->path);
    assert_int_equal(guard_open(FILES_MAX, files_stay, bytes_max, &house->guard), ERR_none);
    guard_watch(house->guard, house->endpoint);
    house->listening = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(house->listening, (void *)&address, sizeof address), 0);
    assert_int_equal(listen(house->listening, CLIENTS), 0);
    for (int i = 0; i < CLIENTS; i++)
        come(house, i);
}

static void close_house(struct house *house)
{
    guard_close(&house->guard);
    for (int i = 0; i < CLIENTS; i++) {
        close(house->clients[i]);
        close(house->served[i]);
    }
    close(house->listening);
    unlink(house->path);
    rmdir(house->folder);
}

static bool is_cut(const struct house *house, int i)
{
    struct pollfd end = { .fd = house->clients[i], .events = POLLIN };

    return poll(&end, 1, 0) == 1;
}

static int count_cut(const struct house *house)
{
    int count = 0;

    for (int i = 0; i < CLIENTS; i++)
        count += is_cut(house, i);
    return count;
}

static void test_nobody_is_cut_in_calm(void **state)
{
    struct house house;

    (void)state;
    open_house(&house, FILES_MAX, INT64_MAX);
    for (int i = 1; i < 100; i++)
        guard_tick(house.guard, i * (int64_t)SECOND_US);
    assert_int_equal(count_cut(&house), 0);
    close_house(&house);
}

/* However slowly it came about. */
static void test_too_large_a_process_is_for_those_who_work(void **state)
{
    struct house house;

    (void)state;
    open_house(&house, FILES_MAX, 1);
    guard_trust(house.guard, house.served[2], 20 * (int64_t)SECOND_US);
    guard_tick(house.guard, 21 * (int64_t)SECOND_US);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    assert_int_equal(count_cut(&house), 0); /* nothing is known of the memory */
#else
    assert_int_equal(count_cut(&house), CLIENTS - 1);
    assert_false(is_cut(&house, 2));
    for (int i = 22; i < 100; i++)
        guard_tick(house.guard, i * (int64_t)SECOND_US);
    assert_false(is_cut(&house, 2));
#endif
    close_house(&house);
}

/* Bytes that are resident now. */
static int64_t resident_bytes(void)
{
    FILE *statm = fopen("/proc/self/statm", "r");
    long  pages;

    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%*d %ld", &pages), 1);
    fclose(statm);
    return pages * (int64_t)sysconf(_SC_PAGESIZE);
}

/* The allocator keeps small blocks as long as one behind them is in use; no connection was counted
 * when they came or went. */
static void test_memory_that_is_free_goes_back_to_the_machine(void **state)
{
    static void *blocks[BLOCKS];
    struct house house;
    int64_t      before;

    (void)state;
    open_house(&house, FILES_MAX, INT64_MAX);
    guard_tick(house.guard, SECOND_US);
    before = resident_bytes();
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        assert_non_null(blocks[i]);
        memset(blocks[i], i, BLOCK_BYTES);
    }
    for (int i = 0; i < BLOCKS - 1; i++)
        free(blocks[i]);
    assert_true(resident_bytes() - before > BLOCKS * (int64_t)BLOCK_BYTES / 2);
    for (int i = 2; i < 12; i++)
        guard_tick(house.guard, i * (int64_t)SECOND_US);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(resident_bytes() - before < BLOCKS * (int64_t)BLOCK_BYTES / 4);
#endif
    free(blocks[BLOCKS - 1]);
    close_house(&house);
}

/* Ten looks in a second, as the server's thread does it. */
static void look_for_a_second(struct guard *guard, int64_t from_us)
{
    for (int i = 1; i <= 10; i++)
        guard_tick(guard, from_us + i * SECOND_US / 10);
}

/* Each look tells only of some of the files, and all of them together of each: those that are open
 * make room, and those that were closed make none any more. */
static void test_open_files_are_counted_within_a_second(void **state)
{
    const int64_t room = LIMIT_STRANGERS_BYTES + FILES_MANY / 2 * (int64_t)LIMIT_CONNECTION_BYTES;
    struct house  house;
    int           files[FILES_MANY];
    char         *block = malloc((size_t)room);

    (void)state;
    assert_non_null(block);
    open_house(&house, FILES_MAX, INT64_MAX);
    look_for_a_second(house.guard, SECOND_US);
    for (int i = 0; i < FILES_MANY; i++) {
        files[i] = fcntl(house.listening, F_DUPFD_CLOEXEC, 0);
        assert_true(files[i] >= 0);
    }
    look_for_a_second(house.guard, 2 * SECOND_US);
    memset(block, 1, (size_t)room);
    look_for_a_second(house.guard, 3 * SECOND_US);
    assert_int_equal(count_cut(&house), 0);
    for (int i = 0; i < FILES_MANY; i++)
        close(files[i]);
    look_for_a_second(house.guard, 4 * SECOND_US);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    assert_int_equal(count_cut(&house), 0); /* nothing is known of the memory */
#else
    assert_int_equal(count_cut(&house), CLIENTS);
#endif
    free(block);
    close_house(&house);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { MIB = 1024 * 1024, PIECES = 512, MANY_BLOCKS = 300 * MIB / BLOCK_BYTES };
#define TENTH_US (SECOND_US / 10)

static void *take(size_t n)
{
    void *block = malloc(n);

    assert_non_null(block);
    memset(block, 1, n);
    return block;
}

/* A crowd has come and gone between two looks: the allocator has its memory, nobody else. */
static void test_nobody_is_cut_for_what_the_allocator_keeps(void **state)
{
    static void *blocks[MANY_BLOCKS];
    struct house house;

    (void)state;
    open_house(&house, FILES_MAX, INT64_MAX);
    blocks[0] = take(32 * (size_t)MIB);
    guard_tick(house.guard, 6 * (int64_t)SECOND_US); /* so much is worth giving back what is free */
    free(blocks[0]);
    for (int i = 0; i < MANY_BLOCKS; i++)
        blocks[i] = take(BLOCK_BYTES);
    for (int i = 0; i < MANY_BLOCKS - 1; i++)
        free(blocks[i]);
    assert_true(resident_bytes() > LIMIT_STRANGERS_BYTES);
    guard_tick(house.guard, 7 * (int64_t)SECOND_US);
    assert_int_equal(count_cut(&house), 0);
    free(blocks[MANY_BLOCKS - 1]);
    close_house(&house);
}

/* So many MiB at once, each piece of which goes back to the machine when it is freed. */
static void fill(void *pieces[PIECES], int from, int to)
{
    for (int i = from; i < to; i++)
        pieces[i] = take(MIB);
}

/* What strangers left takes the library long to take apart when there are many. */
static void test_who_works_is_left_while_the_memory_goes_down(void **state)
{
    static void *pieces[PIECES];
    struct house house;
    int64_t      now_us = 2 * (int64_t)SECOND_US;

    (void)state;
    open_house(&house, FILES_MAX, INT64_MAX);
    guard_tick(house.guard, SECOND_US);
    guard_trust(house.guard, house.served[2], SECOND_US);
    fill(pieces, 0, PIECES);
    for (int i = PIECES - 1; i >= 0; i--, now_us += TENTH_US) {
        guard_tick(house.guard, now_us);
        assert_int_equal(count_cut(&house), CLIENTS - 1);
        free(pieces[i]);
    }
    assert_false(is_cut(&house, 2));
    close_house(&house);
}

/* There is nobody else left whose memory it could be. */
static void test_everybody_is_cut_when_it_helps_nothing(void **state)
{
    static void *pieces[PIECES];
    struct house house;

    (void)state;
    open_house(&house, FILES_MAX, INT64_MAX);
    guard_tick(house.guard, SECOND_US);
    guard_trust(house.guard, house.served[2], SECOND_US);
    fill(pieces, 0, PIECES);
    for (int i = 20; i < 60; i++)
        guard_tick(house.guard, i * (int64_t)TENTH_US);
    assert_int_equal(count_cut(&house), CLIENTS - 1);
    for (int i = 60; i < 100; i++)
        guard_tick(house.guard, i * (int64_t)TENTH_US);
    assert_int_equal(count_cut(&house), CLIENTS);
    for (int i = 0; i < PIECES; i++)
        free(pieces[i]);
    close_house(&house);
}

/* Strangers that come again and again have the blame, not those who work. */
static void test_who_works_is_left_while_strangers_come_again(void **state)
{
    static void *pieces[PIECES];
    struct house house;

    (void)state;
    open_house(&house, FILES_MAX, INT64_MAX);
    guard_tick(house.guard, SECOND_US);
    guard_trust(house.guard, house.served[2], SECOND_US);
    fill(pieces, 0, 300);
    for (int i = 20; i < 200; i++) {
        guard_tick(house.guard, i * (int64_t)TENTH_US);
        if (is_cut(&house, 4))
            come_again(&house, 4);
    }
    assert_false(is_cut(&house, 2));
    fill(pieces, 300, 300 + LIMIT_STRANGERS_BYTES / MIB / 2); /* but not whatever they have */
    for (int i = 200; i < 210; i++)
        guard_tick(house.guard, i * (int64_t)TENTH_US);
    assert_true(is_cut(&house, 2));
    for (int i = 0; i < 300 + LIMIT_STRANGERS_BYTES / MIB / 2; i++)
        free(pieces[i]);
    close_house(&house);
}
#endif

static void test_too_many_files_are_for_those_who_work(void **state)
{
    struct house house;

    (void)state;
    open_house(&house, 3, INT64_MAX);
    for (int i = 1; i < 3; i++)
        guard_trust(house.guard, house.served[i], SECOND_US);
    for (int i = 2; i < 40; i++)
        guard_tick(house.guard, i * (int64_t)SECOND_US);
    assert_int_equal(count_cut(&house), CLIENTS - 2);
    assert_false(is_cut(&house, 1) || is_cut(&house, 2));
    close_house(&house);
}

static void test_topics_of_nobody_are_counted(void **state)
{
    struct house house;

    (void)state;
    open_house(&house, FILES_MAX, INT64_MAX);
    for (int i = 0; i < LIMIT_TOPICS_REFUSED_MAX - 1; i++)
        assert_false(guard_took_topic(house.guard, house.served[4], false, SECOND_US));
    assert_int_equal(count_cut(&house), 0);
    assert_true(guard_took_topic(house.guard, house.served[4], false, SECOND_US));
    assert_true(is_cut(&house, 4));
    assert_int_equal(count_cut(&house), 1);
    close_house(&house);
}

/* One that asked for nothing else goes after a while, one that has a session stays, and one that
 * has one asks for no more than is good. */
static void test_the_lost_and_the_restless_are_cut(void **state)
{
    struct house house;
    int64_t      later_us = (1 + LIMIT_LOST_SECONDS) * (int64_t)SECOND_US;

    (void)state;
    open_house(&house, FILES_MAX, INT64_MAX);
    assert_false(guard_took_topic(house.guard, house.served[1], false, SECOND_US));
    assert_false(guard_took_topic(house.guard, house.served[2], false, SECOND_US));
    assert_false(guard_took_topic(house.guard, house.served[2], true, SECOND_US));
    guard_tick(house.guard, later_us - SECOND_US);
    assert_int_equal(count_cut(&house), 0);
    guard_tick(house.guard, later_us);
    assert_int_equal(count_cut(&house), 1);
    assert_true(is_cut(&house, 1));
    for (int i = 0; i < LIMIT_TOPICS_AT_ONCE - 1; i++)
        assert_false(guard_took_topic(house.guard, house.served[3], true, SECOND_US));
    assert_true(guard_took_topic(house.guard, house.served[3], true, SECOND_US));
    assert_int_equal(count_cut(&house), 2);
    close_house(&house);
}

/* Numbers of files come again; the mark is of the connection. */
static void test_a_mark_tells_who_has_gone(void **state)
{
    struct house house;
    uint64_t     mark;
    int          other;

    (void)state;
    open_house(&house, FILES_MAX, INT64_MAX);
    mark = guard_mark(house.served[3]);
    assert_true(mark != 0 && !guard_is_gone(mark));
    other = dup(house.served[4]);
    assert_true(dup2(other, house.served[3]) >= 0);
    assert_true(guard_is_gone(mark));
    assert_false(guard_is_gone(0));
    close(other);
    close_house(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_cut_in_calm),
        cmocka_unit_test(test_too_large_a_process_is_for_those_who_work),
        cmocka_unit_test(test_memory_that_is_free_goes_back_to_the_machine),
        cmocka_unit_test(test_open_files_are_counted_within_a_second),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(test_nobody_is_cut_for_what_the_allocator_keeps),
        cmocka_unit_test(test_who_works_is_left_while_the_memory_goes_down),
        cmocka_unit_test(test_everybody_is_cut_when_it_helps_nothing),
        cmocka_unit_test(test_who_works_is_left_while_strangers_come_again),
#endif
        cmocka_unit_test(test_too_many_files_are_for_those_who_work),
        cmocka_unit_test(test_topics_of_nobody_are_counted),
        cmocka_unit_test(test_the_lost_and_the_restless_are_cut),
        cmocka_unit_test(test_a_mark_tells_who_has_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
