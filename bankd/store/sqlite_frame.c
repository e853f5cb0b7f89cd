/* Check bytes on every page of the log, so that whatever copies the log into the file copies pages
 * that fit, and what another program wrote into the log is found when it is read.
 *
 * A frame of the log is a head and a page. SQLite makes a sum over both, which goes on from the
 * frame before, and writes them; only here, behind that, does the page get its check bytes. So the
 * sum has to become that of the page with its check bytes. It is linear: a change of the last two
 * words changes the sum by as much, and a change of the sum that a frame begins with is multiplied
 * by a matrix, the same for each frame, as all have as many words. What SQLite takes for the sum
 * and what is in the log thus differ by a shift that is carried from frame to frame for a few
 * additions, instead of adding up every page a second time.
 *
 * SQLite's own idea of the sum only lives while it writes a commit: another handle, or the same one
 * after a rollback, may take it from the log or from the log's index. So the first frame of each
 * commit is added up in full, on top of what the log has before it, and the shift is then what
 * that and SQLite's sum differ by.
 *
 * Where SQLite writes over a page of the commit that it is writing, it leaves the sums empty, and
 * makes them at the end from what it reads back: those heads are right as they are. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include <string.h>

enum { WORD_PAIRS = (SQLITE_PAGE_BYTES + 8) / 8, SUMS_AT = 16, SALTS_AT = 8, LAST_AT = 8 };

static uint32_t big(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_big(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static uint32_t word(const struct frame_seal *seal, const uint8_t *at)
{
    return seal->big_endian ? big(at) : __builtin_bswap32(big(at));
}

static struct frame_sums sums_at(const uint8_t *at)
{
    return (struct frame_sums){ big(at), big(at + 4) };
}

void sqlite_frame_start(struct frame_seal *seal, const uint8_t *log_head)
{
    struct frame_sums one = { 1, 0 };
    struct frame_sums two = { 0, 1 };

    for (int i = 0; i < WORD_PAIRS; i++) {
        one.a += one.b;
        one.b += one.a;
        two.a += two.b;
        two.b += two.a;
    }
    *seal = (struct frame_seal){ .of_a = one, .of_b = two, .started = true };
    seal->big_endian = (big(log_head) & 1) != 0;
}

bool sqlite_frame_goes_on(const struct frame_seal *seal, long long at)
{
    return seal->in_row && seal->next == at;
}

bool sqlite_frame_has_sums(const uint8_t *frame)
{
    static const uint8_t none[16];

    return memcmp(frame + SALTS_AT, none, sizeof none) != 0;
}

static struct frame_sums add_up(const struct frame_seal *seal, const uint8_t *frame,
                                struct frame_sums sums)
{
    for (size_t i = 0; i < SQLITE_FRAME_BYTES; i += 8) {
        if (i == SALTS_AT) /* of the head only what is before them counts */
            i = SQLITE_FRAME_HEAD;
        sums.a += word(seal, frame + i) + sums.b;
        sums.b += word(seal, frame + i + 4) + sums.a;
    }
    return sums;
}

void sqlite_frame_seal(struct frame_seal *seal, uint8_t *frame, long long at,
                       const uint8_t *sums_before)
{
    uint8_t          *last = frame + SQLITE_FRAME_BYTES - LAST_AT;
    struct frame_sums told = sums_at(frame + SUMS_AT);
    struct frame_sums shift = seal->shift;
    struct frame_sums sums;
    uint32_t          first = word(seal, last);
    uint32_t          second = word(seal, last + 4);

    sqlite_page_stamp(frame + SQLITE_FRAME_HEAD, big(frame));
    if (sums_before == NULL) {
        first = word(seal, last) - first;
        second = word(seal, last + 4) - second;
        seal->shift.a = seal->of_a.a * shift.a + seal->of_b.a * shift.b + first;
        seal->shift.b = seal->of_a.b * shift.a + seal->of_b.b * shift.b + first + second;
        sums = (struct frame_sums){ told.a + seal->shift.a, told.b + seal->shift.b };
    } else {
        sums = add_up(seal, frame, sums_at(sums_before));
        seal->shift = (struct frame_sums){ sums.a - told.a, sums.b - told.b };
    }
    put_big(frame + SUMS_AT, sums.a);
    put_big(frame + SUMS_AT + 4, sums.b);
    seal->next = at + SQLITE_FRAME_BYTES;
    seal->in_row = big(frame + 4) == 0; /* up to the mark at a commit's end */
}
