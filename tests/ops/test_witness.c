/* The witness file by itself: what one writes the other reads, whatever half of it is torn away;
 * anything else is no testimony; and it never names what was not noted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "bankd/store/slots.h"
#include "bankd/witness.h"
#include "common/check.h"
#include "tests/unit/random.h"

enum {
    BLOCK = 4096,
    FILE_BYTES = SLOT_COUNT * BLOCK,
    SAID_BYTES = 184, /* of a slot that say something */
    ROUNDS = 400,
};

struct place {
    char              folder[64];
    char              database[96];
    char              path[WITNESS_PATH_MAX];
    uint8_t           public_key[32], secret[64];
    struct witness   *witness;
    struct chain_head head; /* newest that was noted */
};

static const struct testimony nothing = { .serial = 0 };

static void open_witness(struct place *place, const struct testimony *said)
{
    assert_int_equal(witness_open(place->database, place->secret, said, &place->witness, NULL),
                     ERR_none);
}

static void set_up(struct place *place)
{
    FILE *file;

    memset(place, 0, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/bank-witness-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->database, sizeof place->database, "%s/bank.db", place->folder);
    file = fopen(place->database, "wb");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(witness_path(place->database, place->path, NULL), ERR_none);
    crypto_sign_keypair(place->public_key, place->secret);
    open_witness(place, &nothing);
}

static void tear_down(struct place *place)
{
    witness_close(&place->witness);
    unlink(place->path);
    unlink(place->database);
    assert_int_equal(rmdir(place->folder), 0);
}

/* A commit, and what is known of it on the disk. */
static void note(struct place *place, bool is_signed)
{
    place->head.sequence++;
    memset(place->head.hash, (int)place->head.sequence, sizeof place->head.hash);
    witness_note(place->witness, &place->head, is_signed);
}

static void save(struct place *place)
{
    assert_int_equal(witness_save(place->witness, place->head.sequence, NULL), ERR_none);
}

static enum witness_state look(const struct place *place, struct testimony *out)
{
    enum witness_state state;

    assert_int_equal(witness_read(place->database, place->public_key, &state, out, NULL), ERR_none);
    return state;
}

static size_t read_file(const char *path, uint8_t *out, size_t size)
{
    FILE  *file = fopen(path, "rb");
    size_t n;

    assert_non_null(file);
    n = fread(out, 1, size, file);
    fclose(file);
    return n;
}

static void write_file(const char *path, const uint8_t *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void test_what_was_written_is_read(void **state)
{
    struct place     place;
    struct testimony said;
    struct stat      info;

    (void)state;
    set_up(&place);
    assert_int_equal(look(&place, &said), WITNESS_ABSENT);
    save(&place); /* nothing was noted */
    assert_int_equal(look(&place, &said), WITNESS_ABSENT);
    for (int i = 1; i < 20; i++) {
        note(&place, i % 5 == 0);
        note(&place, false);
        save(&place);
        assert_int_equal(look(&place, &said), WITNESS_THERE);
        assert_memory_equal(&said.expect.head, &place.head, sizeof place.head);
        assert_int_equal(said.expect.signed_sequence, i / 5 > 0 ? i / 5 * 10 - 1 : 0);
        assert_int_equal(said.signed_count, i / 5);
        assert_int_equal(said.expect.at_us, place.head.sequence);
        assert_int_equal(said.serial, i);
        save(&place); /* again is nothing new */
        assert_int_equal(look(&place, &said), WITNESS_THERE);
        assert_int_equal(said.serial, i);
    }
    assert_int_equal(stat(place.path, &info), 0);
    assert_int_equal(info.st_size, FILE_BYTES);
    assert_int_equal(info.st_mode & 0777, 0600);
    witness_close(&place.witness);
    open_witness(&place, &said); /* and goes on from there */
    note(&place, false);
    save(&place);
    assert_int_equal(look(&place, &said), WITNESS_THERE);
    assert_int_equal(said.serial, 20);
    assert_int_equal(said.signed_count, 3);
    assert_int_equal(said.expect.head.sequence, place.head.sequence);
    tear_down(&place);
}

/* The file before and behind a write, of whose sectors some arrive: what is read is one of both. */
static void test_a_torn_write_leaves_the_one_before(void **state)
{
    static uint8_t   before[FILE_BYTES], behind[FILE_BYTES], torn[FILE_BYTES];
    struct random    random = random_start("torn");
    struct place     place;
    struct testimony said;

    (void)state;
    set_up(&place);
    note(&place, true);
    save(&place);
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(read_file(place.path, before, sizeof before), FILE_BYTES);
        note(&place, i % 3 == 0);
        save(&place);
        assert_int_equal(read_file(place.path, behind, sizeof behind), FILE_BYTES);
        for (size_t at = 0; at < FILE_BYTES; at += 64) /* smaller than any disk's sector */
            memcpy(torn + at, (random_below(&random, 2) == 0 ? before : behind) + at, 64);
        write_file(place.path, torn, sizeof torn);
        assert_int_equal(look(&place, &said), WITNESS_THERE);
        assert_true(said.expect.head.sequence == place.head.sequence ||
                    said.expect.head.sequence == place.head.sequence - 1);
        write_file(place.path, behind, sizeof behind);
    }
    tear_down(&place);
}

static void test_a_torn_birth_is_no_testimony(void **state)
{
    static uint8_t   whole[FILE_BYTES];
    struct place     place;
    struct testimony said;

    (void)state;
    set_up(&place);
    note(&place, true);
    save(&place);
    assert_int_equal(read_file(place.path, whole, sizeof whole), FILE_BYTES);
    for (size_t n = 0; n <= FILE_BYTES; n += n < 8 || n > BLOCK - 8 ? 1 : 37) {
        enum witness_state found;

        if (n > BLOCK + SLOT_BYTES)
            break;
        write_file(place.path, whole, n);
        found = look(&place, &said);
        if (n == 0)
            assert_int_equal(found, WITNESS_ABSENT);
        else if (n < BLOCK + SAID_BYTES)
            /* What was cut off counts as zeros; if that is what stood there, nothing is missing. */
            assert_true(found == WITNESS_UNREADABLE ||
                        sodium_is_zero(whole + n, BLOCK + SAID_BYTES - n));
    }
    note(&place, false); /* one that was cut is whole after the next write */
    write_file(place.path, whole, 100);
    save(&place);
    assert_int_equal(look(&place, &said), WITNESS_THERE);
    assert_int_equal(said.expect.head.sequence, place.head.sequence);
    tear_down(&place);
}

static void test_no_bit_may_differ(void **state)
{
    static uint8_t   whole[FILE_BYTES];
    struct place     place;
    struct testimony said;

    (void)state;
    set_up(&place);
    note(&place, true);
    save(&place); /* in the second slot; the first one is empty */
    assert_int_equal(read_file(place.path, whole, sizeof whole), FILE_BYTES);
    for (size_t at = 0; at < SAID_BYTES; at++) {
        whole[BLOCK + at] ^= (uint8_t)(1u << at % 8);
        write_file(place.path, whole, sizeof whole);
        assert_int_equal(look(&place, &said), WITNESS_UNREADABLE);
        assert_int_equal(said.expect.head.sequence, 0);
        whole[BLOCK + at] ^= (uint8_t)(1u << at % 8);
    }
    memcpy(whole, whole + BLOCK, SLOT_BYTES); /* a slot in the other's place */
    memset(whole + BLOCK, 0, SLOT_BYTES);
    write_file(place.path, whole, sizeof whole);
    assert_int_equal(look(&place, &said), WITNESS_UNREADABLE);
    tear_down(&place);
}

static void test_garbage_of_every_length_is_no_testimony(void **state)
{
    static uint8_t   bytes[FILE_BYTES + BLOCK];
    struct random    random = random_start("garbage");
    struct place     place;
    struct testimony said;

    (void)state;
    set_up(&place);
    for (size_t n = 1; n <= sizeof bytes; n += n < 600 ? 1 : 97) {
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)random_below(&random, 256);
        if (n % 2 == 0 && n > 16)
            memcpy(bytes, "bankd-witness-1", 16);
        write_file(place.path, bytes, n);
        assert_int_equal(look(&place, &said), WITNESS_UNREADABLE);
        assert_int_equal(said.expect.head.sequence, 0);
    }
    note(&place, false); /* and one can be written over it */
    save(&place);
    assert_int_equal(look(&place, &said), WITNESS_THERE);
    tear_down(&place);
}

static void test_another_banks_witness_is_foreign(void **state)
{
    struct place     place;
    struct place     other;
    struct testimony said;
    uint8_t          bytes[FILE_BYTES];

    (void)state;
    set_up(&place);
    set_up(&other);
    note(&other, true);
    save(&other);
    note(&other, true);
    save(&other);
    assert_int_equal(read_file(other.path, bytes, sizeof bytes), FILE_BYTES);
    write_file(place.path, bytes, sizeof bytes);
    assert_int_equal(look(&place, &said), WITNESS_FOREIGN);
    assert_int_equal(said.expect.head.sequence, 0);
    note(&place, false); /* its own beside a slot of the other bank */
    save(&place);
    assert_int_equal(look(&place, &said), WITNESS_THERE);
    assert_int_equal(said.expect.head.sequence, place.head.sequence);
    tear_down(&place);
    tear_down(&other);
}

/* A limit on the size of files stands for a disk without room: the first write fails, later ones
 * need no more; what was not written is written when there is room again. */
static void test_a_full_disk_stops_the_first_write_alone(void **state)
{
    struct rlimit    all;
    struct rlimit    none;
    struct place     place;
    struct testimony said;

    (void)state;
    set_up(&place);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    none = (struct rlimit){ .rlim_cur = 100, .rlim_max = all.rlim_max };
    note(&place, false);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(witness_save(place.witness, 1, NULL), ERR_storage_full);
    assert_int_not_equal(look(&place, &said), WITNESS_THERE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    save(&place);
    assert_int_equal(look(&place, &said), WITNESS_THERE);
    assert_int_equal(said.expect.head.sequence, 1);
    tear_down(&place);
}

/* The path behind a link is that of the file, so that both names have one witness. */
static void test_a_link_has_the_witness_of_its_file(void **state)
{
    struct place place;
    char         link[128];
    char         path[WITNESS_PATH_MAX];

    (void)state;
    set_up(&place);
    snprintf(link, sizeof link, "%s/link.db", place.folder);
    assert_int_equal(symlink(place.database, link), 0);
    assert_int_equal(witness_path(link, path, NULL), ERR_none);
    assert_string_equal(path, place.path);
    unlink(link);
    tear_down(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_is_read),
        cmocka_unit_test(test_a_torn_write_leaves_the_one_before),
        cmocka_unit_test(test_a_torn_birth_is_no_testimony),
        cmocka_unit_test(test_no_bit_may_differ),
        cmocka_unit_test(test_garbage_of_every_length_is_no_testimony),
        cmocka_unit_test(test_another_banks_witness_is_foreign),
        cmocka_unit_test(test_a_full_disk_stops_the_first_write_alone),
        cmocka_unit_test(test_a_link_has_the_witness_of_its_file),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
