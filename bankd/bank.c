/* See bank.h. A rule set is read and parsed without the lock, because that takes milliseconds; two
 * threads that miss the same set at once both parse it and the second throws its copy away. A
 * pinned set is never freed: its number of users is kept beside it, and only sets without users
 * make room for others. When all places are in use the caller is told to come again. */
#include "bankd/bank.h"

#include "common/check.h"
#include "common/log.h"
#include "common/money.h"

#include <sodium.h>
#include <string.h>

void bank_init(struct bank *bank, const struct bank_settings *settings)
{
    memset(bank, 0, sizeof(*bank));
    bank->settings = *settings;
    CHECK(pthread_mutex_init(&bank->lock, NULL) == 0);
}

void bank_free(struct bank *bank)
{
    for (size_t i = 0; i < ARRAY_COUNT(bank->sets); i++) {
        CHECK(bank->sets[i].pins == 0);
        fraud_rules_free(&bank->sets[i].rules);
    }
    names_close(&bank->names);
    CHECK(pthread_mutex_destroy(&bank->lock) == 0);
}

enum err bank_keep_names(struct bank *bank)
{
    CHECK(bank->names == NULL);
    return names_open(&bank->names);
}

/* Under the lock: pins the set when it is here. */
static const struct fraud_rules *find(struct bank *bank, int64_t number)
{
    for (size_t i = 0; i < ARRAY_COUNT(bank->sets); i++) {
        if (bank->sets[i].rules != NULL && bank->sets[i].number == number) {
            bank->sets[i].pins++;
            bank->sets[i].used = ++bank->uses;
            return bank->sets[i].rules;
        }
    }
    return NULL;
}

/* Under the lock: a free place, or the one whose set was unused for longest; -1 when all are
 * pinned. */
static int place_for_one(const struct bank *bank)
{
    int best = -1;
    for (size_t i = 0; i < ARRAY_COUNT(bank->sets); i++) {
        if (bank->sets[i].rules == NULL)
            return (int)i;
        if (bank->sets[i].pins > 0)
            continue;
        if (best < 0 || bank->sets[i].used < bank->sets[best].used)
            best = (int)i;
    }
    return best;
}

void bank_rules_hash(struct slice rules, struct slice card, uint8_t out[CHAIN_HASH_BYTES])
{
    static const uint8_t     between = 0;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, CHAIN_HASH_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)rules.at, rules.n);
    if (card.n > 0) {
        crypto_generichash_update(&state, &between, sizeof(between));
        crypto_generichash_update(&state, (const uint8_t *)card.at, card.n);
    }
    crypto_generichash_final(&state, out, CHAIN_HASH_BYTES);
}

enum err bank_rules_fault(enum err err, const char *path, struct fault *fault)
{
    char text[FAULT_TEXT_MAX];

    if (err != ERR_file_syntax)
        return err;
    slice_copy(slice_from(fault->text), text, sizeof text);
    return fault_set(fault, err, fault->field, "%.100s:%s", path, text);
}

enum err bank_rules_parse(const struct bank_texts *texts, struct fraud_rules **out,
                          struct fault *fault)
{
    enum err err = texts->rules_stored
                       ? fraud_rules_parse_stored(texts->rules, texts->rules_name, out, fault)
                       : fraud_rules_parse(texts->rules, texts->rules_name, out, fault);

    TRY(err);
    if (texts->card.n == 0)
        return ERR_none;
    err = texts->card_stored ? fraud_rules_card_stored(*out, texts->card, texts->card_name, fault)
                             : fraud_rules_card(*out, texts->card, texts->card_name, fault);
    if (err != ERR_none)
        fraud_rules_free(out);
    return err;
}

static enum err load(struct store *store, int64_t number, struct fraud_rules **out)
{
    struct rule_set row;
    struct buf      text;
    struct buf      card;
    struct fault    fault = {0};
    buf_init(&text, LIMIT_RULES_FILE_MAX);
    buf_init(&card, LIMIT_RULES_FILE_MAX);
    enum err err = store->ops->rule_set_get(store, number, &row, &text, &card);
    if (err == ERR_none) {
        struct bank_texts texts = { .rules = slice_of(text.at, text.n),
                                    .card = slice_of(card.at, card.n),
                                    .rules_name = "stored rules",
                                    .card_name = "stored scorecard",
                                    .rules_stored = true,
                                    .card_stored = true };

        err = bank_rules_parse(&texts, out, &fault);
        /* It was good when it was stored, so the store or this build is not. */
        if (err == ERR_file_syntax) {
            log_event(LOG_ERROR, "stored_rules_not_understood",
                      "rule_set=%lld file=\"%s\" text=\"%s\"", (long long)number, fault.field,
                      fault.text);
            err = ERR_storage_corrupt;
        }
    }
    buf_free(&text);
    buf_free(&card);
    return err;
}

enum err bank_rules(struct bank *bank, struct store *store, int64_t number,
                    const struct fraud_rules **out)
{
    pthread_mutex_lock(&bank->lock);
    *out = find(bank, number);
    pthread_mutex_unlock(&bank->lock);
    if (*out != NULL)
        return ERR_none;

    struct fraud_rules *fresh = NULL;
    TRY(load(store, number, &fresh));
    struct fraud_rules *spare = fresh;
    pthread_mutex_lock(&bank->lock);
    *out = find(bank, number);
    int place = *out == NULL ? place_for_one(bank) : -1;
    if (place >= 0) {
        spare = bank->sets[place].rules;
        bank->sets[place].number = number;
        bank->sets[place].rules = fresh;
        bank->sets[place].pins = 1;
        bank->sets[place].used = ++bank->uses;
        *out = fresh;
    }
    pthread_mutex_unlock(&bank->lock);
    fraud_rules_free(&spare);
    return *out != NULL ? ERR_none : ERR_busy;
}

void bank_rules_release(struct bank *bank, const struct fraud_rules *rules)
{
    if (rules == NULL)
        return;
    bool found = false;
    pthread_mutex_lock(&bank->lock);
    for (size_t i = 0; i < ARRAY_COUNT(bank->sets) && !found; i++) {
        if (bank->sets[i].rules == rules && bank->sets[i].pins > 0) {
            bank->sets[i].pins--;
            found = true;
        }
    }
    pthread_mutex_unlock(&bank->lock);
    CHECK(found);
}

static int64_t in_minor_units(int64_t major, uint16_t number)
{
    const struct currency *currency = currency_by_number(number);
    int64_t minor = major;
    for (int i = 0; currency != NULL && i < currency->exponent; i++) {
        if (!money_mul(minor, 10, &minor))
            return INT64_MAX;
    }
    return minor;
}

int64_t bank_high_value(const struct bank *bank, uint16_t currency)
{
    return in_minor_units(bank->settings.high_value_major, currency);
}

int64_t bank_large(const struct bank *bank, uint16_t currency)
{
    return in_minor_units(bank->settings.large_major, currency);
}

int64_t bank_lock_us(const struct bank *bank)
{
    int64_t seconds = bank->settings.alert_lock_seconds;

    return (seconds != 0 ? seconds : LIMIT_ALERT_LOCK_SECONDS) * US_PER_SECOND;
}

int64_t bank_undo_us(const struct bank *bank)
{
    int64_t seconds = bank->settings.alert_undo_seconds;

    return (seconds != 0 ? seconds : LIMIT_ALERT_UNDO_SECONDS) * US_PER_SECOND;
}
