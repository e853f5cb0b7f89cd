/* See budget.h. Packed: the newest day (4 bytes, high first), then for each day that was seen, the
 * newest first: how long ago (1), the count of its bins that are not empty (1), and for each its
 * number (1) and its count (4, high first). Nothing at all stands for nothing counted. */
#include "bankd/fraud/budget.h"

#include "bankd/fraud/profile.h"
#include "common/clock.h"

#include <string.h>

enum { LOWEST_BIN = BUDGET_LOWEST / BUDGET_STEP };

void budget_init(struct budget *budget)
{
    memset(budget, 0, sizeof *budget);
}

static size_t slot_of(int32_t day)
{
    return (size_t)((day % BUDGET_DAYS + BUDGET_DAYS) % BUDGET_DAYS);
}

static void advance(struct budget *budget, int32_t day)
{
    int64_t steps = budget->any ? (int64_t)day - budget->newest : BUDGET_DAYS;

    for (int32_t i = 0; i < steps && i < BUDGET_DAYS; i++) {
        size_t slot = slot_of(day - i);

        budget->seen[slot] = false;
        memset(budget->counts[slot], 0, sizeof budget->counts[slot]);
    }
    budget->newest = day;
    budget->any = true;
}

static size_t bin_of(int32_t score)
{
    size_t bin = score < 0 ? 0 : (size_t)score / BUDGET_STEP;

    return bin < BUDGET_BINS - 1 ? bin : BUDGET_BINS - 1;
}

void budget_count(struct budget *budget, int64_t at_us, int32_t score, int32_t before)
{
    int32_t   day = (int32_t)profile_bucket(at_us, US_PER_DAY);
    size_t    bin = bin_of(score);
    size_t    old = bin_of(before);
    uint32_t *counts;

    if (!budget->any || day > budget->newest)
        advance(budget, day);
    if ((int64_t)budget->newest - day >= BUDGET_DAYS)
        return;
    budget->seen[slot_of(day)] = true;
    if (bin < LOWEST_BIN || (before > 0 && bin <= old))
        return;
    counts = budget->counts[slot_of(day)];
    if (before > 0 && old >= LOWEST_BIN && counts[old] > 0)
        counts[old]--;
    if (counts[bin] < UINT32_MAX)
        counts[bin]++;
}

/* --- accounts -------------------------------------------------------------------------------- */

static uint32_t place_of(int64_t account)
{
    uint64_t hash = (uint64_t)account * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)((hash >> 32) % BUDGET_ACCOUNTS);
}

int32_t budget_account(const struct budget_accounts *accounts, int64_t account, int32_t day)
{
    const struct budget_account *slot = &accounts->slots[place_of(account)];

    return slot->account == account && slot->day == day ? slot->score : 0;
}

void budget_account_expect(const struct budget_accounts *accounts, int64_t account)
{
    __builtin_prefetch(&accounts->slots[place_of(account)]);
}

void budget_account_counts(struct budget_accounts *accounts, int64_t account, int32_t day,
                           int32_t score)
{
    uint32_t place = place_of(account);

    if (accounts->changed == LIMIT_BATCH_MAX)
        return; /* no group is so large */
    accounts->places[accounts->changed] = place;
    accounts->before[accounts->changed++] = accounts->slots[place];
    accounts->slots[place] = (struct budget_account){ account, day, score };
}

void budget_accounts_keep(struct budget_accounts *accounts)
{
    accounts->changed = 0;
}

void budget_accounts_undo(struct budget_accounts *accounts)
{
    while (accounts->changed > 0) {
        accounts->changed--;
        accounts->slots[accounts->places[accounts->changed]] = accounts->before[accounts->changed];
    }
}

int budget_days(const struct budget *budget)
{
    int days = 0;

    for (int32_t i = 1; budget->any && i < BUDGET_DAYS; i++)
        if (budget->seen[slot_of(budget->newest - i)])
            days = i; /* quiet days between count as days */
    return days;
}

static int64_t of_day(const struct budget *budget, int32_t day, size_t from, size_t to)
{
    int64_t sum = 0;

    for (size_t bin = from; bin < to; bin++)
        sum += budget->counts[slot_of(day)][bin];
    return sum;
}

/* The first bin whose scores are all at or above the threshold. */
static size_t bin_from(int32_t threshold)
{
    int32_t up = threshold < 0 ? 0 : (threshold + BUDGET_STEP - 1) / BUDGET_STEP;

    return up < BUDGET_BINS - 1 ? (size_t)up : BUDGET_BINS - 1;
}

static int64_t rate_of(const struct budget *budget, size_t from, size_t to)
{
    int     days = budget_days(budget);
    int64_t sum = 0;

    if (!budget->any)
        return 0;
    if (days == 0)
        return of_day(budget, budget->newest, from, to) * 10;
    for (int32_t i = 1; i <= days; i++)
        sum += of_day(budget, budget->newest - i, from, to);
    return sum * 10 / days;
}

int64_t budget_rate_x10(const struct budget *budget, int32_t from, int32_t to)
{
    return rate_of(budget, bin_from(from),
                   to > (BUDGET_BINS - 1) * BUDGET_STEP ? BUDGET_BINS : bin_from(to));
}

/* What the threshold would bring a day, in tenths. */
static int64_t need_of(const struct budget *budget, int32_t threshold)
{
    size_t  from = bin_from(threshold);
    int64_t mean = rate_of(budget, from, BUDGET_BINS);
    int64_t today = of_day(budget, budget->newest, from, BUDGET_BINS) * 10;

    return mean > today ? mean : today;
}

static int32_t lowest_that_keeps(const struct budget *budget, int32_t highest, int64_t limit_x10)
{
    int32_t threshold = BUDGET_LOWEST;

    while (threshold < highest && need_of(budget, threshold) > limit_x10)
        threshold += BUDGET_STEP;
    return threshold < highest ? threshold : highest;
}

int32_t budget_threshold(const struct budget *budget, int32_t now, int32_t highest,
                         int64_t alerts_per_day)
{
    int64_t limit_x10 = alerts_per_day * 10;
    int64_t need;
    int32_t best;

    now = now < highest ? now : highest;
    if (!budget->any)
        return now;
    need = need_of(budget, now);
    best = lowest_that_keeps(budget, highest, limit_x10);
    if (need * 10 > limit_x10 * 11)
        return best > now ? best : now;
    if (budget_days(budget) > 0 && need * 5 < limit_x10 * 4 && best < now)
        return best;
    return now;
}

/* --- bytes ----------------------------------------------------------------------------------- */

static size_t put_u32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
    return 4;
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

size_t budget_pack(const struct budget *budget, uint8_t out[BUDGET_PACKED_MAX])
{
    size_t n = budget->any ? put_u32(out, (uint32_t)budget->newest) : 0;

    for (int32_t i = 0; budget->any && i < BUDGET_DAYS; i++) {
        const uint32_t *counts = budget->counts[slot_of(budget->newest - i)];
        size_t          count_at = n + 1;

        if (!budget->seen[slot_of(budget->newest - i)])
            continue;
        out[n] = (uint8_t)i;
        out[count_at] = 0;
        n += 2;
        for (size_t bin = LOWEST_BIN; bin < BUDGET_BINS; bin++) {
            if (counts[bin] == 0)
                continue;
            out[count_at]++;
            out[n++] = (uint8_t)bin;
            n += put_u32(out + n, counts[bin]);
        }
    }
    return n;
}

static bool unpack_day(struct budget *budget, const uint8_t *bytes, size_t size, size_t *at)
{
    size_t ago = bytes[*at];
    size_t bins = bytes[*at + 1];
    size_t slot;

    *at += 2;
    if (ago >= BUDGET_DAYS || bins > (size - *at) / 5)
        return false;
    slot = slot_of(budget->newest - (int32_t)ago);
    budget->seen[slot] = true;
    for (; bins > 0; bins--, *at += 5) {
        if (bytes[*at] < LOWEST_BIN || bytes[*at] >= BUDGET_BINS)
            return false;
        budget->counts[slot][bytes[*at]] = get_u32(bytes + *at + 1);
    }
    return true;
}

bool budget_unpack(struct budget *budget, const uint8_t *bytes, size_t size)
{
    size_t at = 4;

    budget_init(budget);
    if (size == 0)
        return true;
    if (size < 4)
        return false;
    budget->any = true;
    budget->newest = (int32_t)get_u32(bytes);
    while (size - at >= 2)
        if (!unpack_day(budget, bytes, size, &at))
            return false;
    return at == size;
}
