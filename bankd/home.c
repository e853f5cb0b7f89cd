/* See home.h. Files of secrets are made with mode 0600 under a directory of mode 0700 and are
 * never overwritten: a bank that is there is left alone. */
#include "bankd/home.h"

#include "common/check.h"
#include "common/log.h"
#include "common/money.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_FILE_MAX = 256, READER_CACHE_SHARE = 8 };

/* The shipped rules, taken in whole by the assembler: `init` writes them into a new bank. */
__asm__(".pushsection .rodata\n"
        "home_default_rules: .incbin \"data/rules/default.rules\"\n"
        "home_default_rules_end: .byte 0\n"
        ".popsection\n");
extern const char home_default_rules[] __attribute__((visibility("hidden")));
extern const char home_default_rules_end[] __attribute__((visibility("hidden")));

/* --- files ----------------------------------------------------------------------------------- */

const char *home_path(const struct home *home, const char *name, char out[HOME_PATH_MAX])
{
    int n = snprintf(out, HOME_PATH_MAX, "%s/%s", home->directory, name);

    CHECK(n > 0 && n < HOME_PATH_MAX);
    return out;
}

static enum err file_fault(struct fault *fault, const char *path, const char *what)
{
    return fault_set(fault, err_no_room(errno) ? ERR_storage_full : ERR_io, NULL, "%s %.150s: %s",
                     what, path, strerror(errno));
}

/* What is there under this name, of an attempt that was cut off, is written anew. */
static enum err write_over(const char *path, const char *text, size_t n, mode_t mode,
                           struct fault *fault)
{
    enum err err = ERR_none;
    int      fd;

    if (unlink(path) != 0 && errno != ENOENT)
        return file_fault(fault, path, "Cannot replace");
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return file_fault(fault, path, "Cannot create");
    if (write(fd, text, n) != (ssize_t)n || fsync(fd) != 0)
        err = file_fault(fault, path, "Cannot write");
    close(fd);
    return err;
}

/* A file that is whole under its name or not there. */
static enum err write_new(const char *path, const char *text, size_t n, mode_t mode,
                          struct fault *fault)
{
    char draft[HOME_PATH_MAX + 8];
    int  length = snprintf(draft, sizeof draft, "%s.new", path);

    if (length < 0 || (size_t)length >= sizeof draft)
        return fault_set(fault, ERR_io, NULL, "The path is too long");
    TRY(write_over(draft, text, n, mode, fault));
    if (rename(draft, path) != 0)
        return file_fault(fault, path, "Cannot create");
    return ERR_none;
}

/* The whole of a small file, as a C string. */
static enum err read_small(const char *path, struct buf *out, struct fault *fault)
{
    char     chunk[4096];
    ssize_t  n;
    enum err err = ERR_none;
    int      fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return file_fault(fault, path, "Cannot open");
    while (err == ERR_none && (n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0)
            err = file_fault(fault, path, "Cannot read");
        else
            err = buf_add(out, chunk, (size_t)n);
    }
    close(fd);
    return err;
}

/* --- keys ------------------------------------------------------------------------------------ */

static const char z85_digits[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/* Z85 of 32 bytes (ZeroMQ RFC 32): each 4 bytes, big-endian, as 5 digits of base 85. */
static void z85_encode(const uint8_t key[32], char out[CURVE_TEXT_MAX])
{
    for (size_t i = 0; i < 8; i++) {
        uint32_t value = (uint32_t)key[4 * i] << 24 | (uint32_t)key[4 * i + 1] << 16 |
                         (uint32_t)key[4 * i + 2] << 8 | key[4 * i + 3];

        for (size_t digit = 5; digit-- > 0; value /= 85)
            out[5 * i + digit] = z85_digits[value % 85];
    }
    out[40] = '\0';
}

/* false = it is not of that alphabet, or too large. */
static bool z85_decode(const char text[CURVE_TEXT_MAX], uint8_t key[32])
{
    for (size_t i = 0; i < 8; i++) {
        uint64_t value = 0;

        for (size_t digit = 0; digit < 5; digit++) {
            const char *at = strchr(z85_digits, text[5 * i + digit]);

            if (at == NULL || *at == '\0')
                return false;
            value = value * 85 + (uint64_t)(at - z85_digits);
        }
        if (value > UINT32_MAX)
            return false;
        for (size_t byte = 4; byte-- > 0; value >>= 8)
            key[4 * i + byte] = (uint8_t)value;
    }
    return true;
}

/* Into a folder of their own: see provide_keys. */
static enum err make_keys(const struct home *home, struct fault *fault)
{
    uint8_t  curve_public[32], curve_secret[32], sign_public[32], sign_secret[64];
    char     text[2 * 64 + 2];
    char     path[HOME_PATH_MAX];
    enum err err;

    crypto_box_keypair(curve_public, curve_secret);
    crypto_sign_keypair(sign_public, sign_secret);
    z85_encode(curve_secret, text);
    text[CURVE_TEXT_MAX - 1] = '\n';
    err = write_over(home_path(home, "keys.new/server.key", path), text, CURVE_TEXT_MAX, 0600,
                     fault);
    z85_encode(curve_public, text);
    text[CURVE_TEXT_MAX - 1] = '\n';
    if (err == ERR_none)
        err =
            write_over(home_path(home, "keys.new/server.pub", path), text, CURVE_TEXT_MAX, 0644,
                       fault);
    sodium_bin2hex(text, sizeof text, sign_secret, sizeof sign_secret);
    if (err == ERR_none)
        err = write_over(home_path(home, "keys.new/audit.key", path), text, 128, 0600, fault);
    sodium_bin2hex(text, sizeof text, sign_public, sizeof sign_public);
    if (err == ERR_none)
        err = write_over(home_path(home, "keys.new/audit.pub", path), text, 64, 0644, fault);
    sodium_memzero(curve_secret, sizeof curve_secret);
    sodium_memzero(sign_secret, sizeof sign_secret);
    sodium_memzero(text, sizeof text);
    return err;
}

static enum err make_directory(const char *path, struct fault *fault)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return file_fault(fault, path, "Cannot create");
    return ERR_none;
}

/* All four come to their place in one step, so that an init that is cut off leaves none or all. */
static enum err place_keys(const struct home *home, struct fault *fault)
{
    char draft[HOME_PATH_MAX];
    char path[HOME_PATH_MAX];

    home_path(home, "keys.new", draft);
    home_path(home, "keys", path);
    TRY(make_directory(draft, fault));
    TRY(make_keys(home, fault));
    if (rename(draft, path) != 0) /* which takes the place of an empty folder, but of no other */
        return file_fault(fault, path, "Cannot put the keys into");
    return ERR_none;
}

/* Keys that are there already, of an init that failed later or of a bank that is to be restored,
 * are kept. Half a set is no start for a bank: something has gone wrong before. */
static enum err provide_keys(const struct home *home, struct fault *fault)
{
    static const char *const names[] = { "keys/server.key", "keys/server.pub", "keys/audit.key",
                                         "keys/audit.pub" };
    const char              *absent = NULL;
    size_t                   count = 0;
    char                     path[HOME_PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (access(home_path(home, names[i], path), F_OK) == 0)
            count++;
        else
            absent = names[i];
    }
    if (count == 0)
        return place_keys(home, fault);
    if (absent != NULL)
        return fault_set(fault, ERR_exists, NULL,
                         "There are keys in %.150s/keys, but not %s; move them elsewhere",
                         home->directory, absent);
    return ERR_none;
}

static enum err read_key(const struct home *home, const char *name, size_t digits, char *out,
                         struct fault *fault)
{
    struct buf  text;
    struct stat status;
    char        path[HOME_PATH_MAX];
    enum err    err;

    buf_init(&text, KEY_FILE_MAX);
    home_path(home, name, path);
    err = read_small(path, &text, fault);
    if (err == ERR_none && (text.n < digits || (text.n > digits && text.at[digits] != '\n')))
        err = fault_set(fault, ERR_file_syntax, NULL, "The key file %.150s is damaged", path);
    if (err == ERR_none && strstr(name, ".key") != NULL && stat(path, &status) == 0 &&
        (status.st_mode & 077) != 0)
        err = fault_set(fault, ERR_io, NULL,
                        "Others may read the secret key %.150s; set its mode to 0600", path);
    if (err == ERR_none) {
        memcpy(out, text.at, digits);
        out[digits] = '\0';
    }
    if (text.at != NULL)
        sodium_memzero(text.at, text.n);
    buf_free(&text);
    return err;
}

/* What is signed or encrypted with a key that does not belong to the public one is of no use to
 * anybody, and would be found only when it is too late. */
static bool is_curve_pair(const struct home *home)
{
    uint8_t secret[32];
    uint8_t public[32];
    char    text[CURVE_TEXT_MAX];
    bool    fits = z85_decode(home->curve_secret, secret) &&
                crypto_scalarmult_base(public, secret) == 0;

    if (fits)
        z85_encode(public, text);
    sodium_memzero(secret, sizeof secret);
    return fits && strcmp(text, home->curve_public) == 0;
}

static bool is_sign_pair(const struct home *home)
{
    uint8_t public[32];
    uint8_t secret[64];
    bool    fits;

    crypto_sign_seed_keypair(public, secret, home->sign_secret);
    fits = sodium_memcmp(public, home->sign_public, sizeof public) == 0 &&
           sodium_memcmp(secret, home->sign_secret, sizeof secret) == 0;
    sodium_memzero(secret, sizeof secret);
    return fits;
}

static enum err check_pairs(const struct home *home, struct fault *fault)
{
    static const char *const pairs[] = { "server", "audit" };
    bool                     fits[] = { is_curve_pair(home), is_sign_pair(home) };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!fits[i])
            return fault_set(fault, ERR_file_syntax, NULL,
                             "keys/%s.key and keys/%s.pub do not belong together: one of them is "
                             "damaged or another bank's. Put the copies of both back",
                             pairs[i], pairs[i]);
    return ERR_none;
}

static enum err load_keys(struct home *home, struct fault *fault)
{
    char     hex[129];
    enum err err;

    TRY(read_key(home, "keys/server.pub", 40, home->curve_public, fault));
    TRY(read_key(home, "keys/server.key", 40, home->curve_secret, fault));
    TRY(read_key(home, "keys/audit.pub", 64, hex, fault));
    if (sodium_hex2bin(home->sign_public, sizeof home->sign_public, hex, 64, NULL, NULL, NULL) != 0)
        return fault_set(fault, ERR_file_syntax, NULL, "The key file keys/audit.pub is damaged");
    err = read_key(home, "keys/audit.key", 128, hex, fault);
    if (err == ERR_none && sodium_hex2bin(home->sign_secret, sizeof home->sign_secret, hex, 128,
                                          NULL, NULL, NULL) != 0)
        err = fault_set(fault, ERR_file_syntax, NULL, "The key file keys/audit.key is damaged");
    sodium_memzero(hex, sizeof hex);
    return err == ERR_none ? check_pairs(home, fault) : err;
}

/* --- create ---------------------------------------------------------------------------------- */

static enum err check_mode(const struct conf *conf, struct fault *fault)
{
    if (strcmp(conf_text(conf, "db_mode"), "local") == 0)
        return ERR_none;
    return fault_set(fault, ERR_unsupported, "db_mode",
                     "This build keeps its records on this machine only; set db_mode to local");
}

static enum err parse_rules(const struct conf *conf, struct slice text, struct fraud_rules **out,
                            struct fault *fault)
{
    const char *path = conf_text(conf, "rules_file");

    return bank_rules_fault(fraud_rules_parse(text, path, out, fault), path, fault);
}

/* A bank whose rule file is wrong could not be served, so none is made. A file that is not there
 * is written later, with the rules of this program. */
static enum err check_rules(const struct conf *conf, struct fault *fault)
{
    struct fraud_rules *rules = NULL;
    struct buf          text;
    enum err            err;

    if (access(conf_text(conf, "rules_file"), F_OK) != 0)
        return ERR_none;
    buf_init(&text, LIMIT_RULES_FILE_MAX);
    err = read_small(conf_text(conf, "rules_file"), &text, fault);
    if (err == ERR_none)
        err = parse_rules(conf, slice_of(text.at, text.n), &rules, fault);
    fraud_rules_free(&rules);
    buf_free(&text);
    return err;
}

/* A witness without its bank: what was here is to be restored, and not to be begun anew. */
static enum err refuse_witness(const struct conf *conf, struct fault *fault)
{
    char path[WITNESS_PATH_MAX];

    TRY(witness_path(conf_text(conf, "database_path"), path, fault));
    if (access(path, F_OK) != 0)
        return ERR_none;
    return fault_set(fault, ERR_exists, NULL,
                     "A bank was here, as %.120s says: put it back, or move that file elsewhere",
                     path);
}

enum err home_create(const struct conf *conf, struct fault *fault)
{
    struct home         home = { .conf = conf };
    struct store_config config = { .path = conf_text(conf, "database_path"),
                                   .cache_kib = 2048,
                                   .exclusive = true };

    TRY(check_mode(conf, fault));
    TRY(check_rules(conf, fault));
    slice_copy(slice_from(conf_text(conf, "data_dir")), home.directory, sizeof home.directory);
    TRY(make_directory(home.directory, fault));
    switch (store_kind_of(conf_text(conf, "database_path"))) {
    case STORE_BANK:
        return fault_set(fault, ERR_exists, NULL,
                         "There is already a bank in %.150s; it was left alone", home.directory);
    case STORE_FOREIGN:
        return fault_set(fault, ERR_exists, NULL,
                         "%.150s is there, but is no bank's database; it was left alone",
                         conf_text(conf, "database_path"));
    case STORE_NOTHING:
        break;
    }
    TRY(refuse_witness(conf, fault));
    TRY(provide_keys(&home, fault));
    if (access(conf_text(conf, "rules_file"), F_OK) != 0)
        TRY(write_new(conf_text(conf, "rules_file"), home_default_rules,
                      (size_t)(home_default_rules_end - home_default_rules), 0644, fault));
    TRY(store_sqlite.open(&config, STORE_CREATE, &home.store, fault));
    home.store->ops->close(&home.store);
    return ERR_none;
}

/* --- a demo bank on its way ------------------------------------------------------------------ */

static const char *demo_mark(const struct conf *conf, char out[HOME_PATH_MAX])
{
    struct home home = { .conf = conf };

    slice_copy(slice_from(conf_text(conf, "data_dir")), home.directory, sizeof home.directory);
    return home_path(&home, "demo.unfinished", out);
}

/* Its files, but for the one that holds the lock. */
static enum err drop_bank(const char *database, struct fault *fault)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    char                     path[WITNESS_PATH_MAX];
    int                      lock = -1;
    enum err                 err = store_lock(database, &lock, fault);

    if (err == ERR_none)
        err = witness_path(database, path, fault);
    if (err == ERR_none && unlink(path) != 0 && errno != ENOENT)
        err = file_fault(fault, path, "Cannot remove");
    for (size_t i = ARRAY_COUNT(ends); err == ERR_none && i-- > 0;) {
        snprintf(path, sizeof path, "%s%s", database, ends[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            err = file_fault(fault, path, "Cannot remove");
    }
    if (lock >= 0)
        close(lock);
    return err;
}

enum err home_demo_begin(const struct conf *conf, struct fault *fault)
{
    const char *database = conf_text(conf, "database_path");
    char        path[HOME_PATH_MAX];

    TRY(check_mode(conf, fault));
    if (access(demo_mark(conf, path), F_OK) == 0)
        return access(database, F_OK) == 0 ? drop_bank(database, fault) : ERR_none;
    if (store_kind_of(database) != STORE_NOTHING)
        return ERR_none;
    TRY(make_directory(conf_text(conf, "data_dir"), fault));
    return write_new(path, "", 0, 0600, fault);
}

enum err home_demo_check(const struct conf *conf, struct fault *fault)
{
    char path[HOME_PATH_MAX];

    if (access(demo_mark(conf, path), F_OK) != 0)
        return ERR_none;
    return fault_set(fault, ERR_storage_unfinished, NULL, "%.180s says so", path);
}

void home_demo_end(const struct conf *conf)
{
    char path[HOME_PATH_MAX];

    (void)unlink(demo_mark(conf, path));
}

/* --- open ------------------------------------------------------------------------------------ */

static enum err read_settings(const struct conf *conf, struct bank_settings *settings,
                              struct fault *fault)
{
    const char            *code = conf_text(conf, "main_currency");
    const struct currency *currency = currency_by_code(code, strlen(code));

    if (code[0] != '\0' && currency == NULL)
        return fault_set(fault, ERR_option_invalid, "main_currency",
                         "%s is not a currency that this bank keeps", code);
    settings->main_currency = currency != NULL ? currency->number : 0;
    settings->high_value_major = conf_int(conf, "high_value");
    settings->large_major = conf_int(conf, "reporting_threshold");
    settings->hold_hours = conf_int(conf, "hold_hours");
    settings->alert_lock_seconds = conf_int(conf, "alert_lock_seconds");
    settings->alert_undo_seconds = conf_int(conf, "alert_undo_seconds");
    settings->valve_share_bp = conf_int(conf, "valve_share") * 100;
    settings->valve_window_min = conf_int(conf, "valve_minutes");
    settings->valve_minimum = conf_int(conf, "valve_minimum");
    settings->alert_budget = conf_int(conf, "alert_budget");
    settings->id_skew_hours = conf_int(conf, "id_skew_hours");
    return ERR_none;
}

enum err home_attach(const struct conf *conf, struct home *out, struct fault *fault)
{
    struct bank_settings settings;

    memset(out, 0, sizeof *out);
    out->conf = conf;
    slice_copy(slice_from(conf_text(conf, "data_dir")), out->directory, sizeof out->directory);
    slice_copy(slice_from(conf_text(conf, "database_path")), out->database, sizeof out->database);
    TRY(check_mode(conf, fault));
    TRY(read_settings(conf, &settings, fault));
    TRY(load_keys(out, fault));
    bank_init(&out->bank, &settings);
    return ERR_none;
}

/* Opens the store, with the witness's word on what it must have. */
static enum err open_store(struct home *home, enum store_mode mode, bool heard, struct fault *fault)
{
    struct store_config config = { .path = home->database,
                                   .cache_kib = conf_int(home->conf, "page_cache_mib") * 1024,
                                   .exclusive = home->exclusive };

    if (heard && home->witness_state == WITNESS_FOREIGN)
        return fault_set(fault, ERR_storage_behind, NULL, "%s: the files of two banks are mixed",
                         witness_sentence(WITNESS_FOREIGN));
    if (heard && home->witness_state == WITNESS_THERE)
        config.expect = &home->said.expect;
    TRY(store_sqlite.open(&config, mode, &home->store, fault));
    if (home->witness_state != WITNESS_THERE)
        TRY(witness_was_kept(home->store, home->sign_public, &home->witness_lost));
    return ERR_none;
}

/* A witness goes on from what it said; one that is not heard begins with what is there. */
static enum err take_witness(struct home *home, bool heard, struct fault *fault)
{
    struct testimony said = home->said;

    if (!heard)
        said = (struct testimony){ .serial = said.serial };
    TRY(witness_count(home->store, &said));
    return witness_open(home->database, home->sign_secret, &said, &home->witness, fault);
}

static enum err open_home(const struct conf *conf, enum store_mode mode, bool exclusive,
                          bool anyway, struct home *out, struct fault *fault)
{
    const char *path = conf_text(conf, "database_path");
    bool        heard = mode != STORE_EXAMINE && !anyway;
    enum err    err;

    memset(out, 0, sizeof *out);
    TRY(check_mode(conf, fault));
    if (access(path, F_OK) != 0)
        return fault_set(fault, ERR_storage_absent, NULL, "There is no %.180s", path);
    TRY(home_attach(conf, out, fault));
    out->exclusive = exclusive;
    err = witness_read(path, out->sign_public, &out->witness_state, &out->said, fault);
    if (err == ERR_none)
        err = open_store(out, mode, heard, fault);
    if (err == ERR_none && out->witness_lost && heard)
        log_event(LOG_WARNING, "witness_missing",
                  "text=\"%s: whether the newest entries are there cannot be told\"",
                  witness_sentence(out->witness_state));
    if (err == ERR_none && mode == STORE_WRITE)
        err = take_witness(out, !anyway, fault);
    if (err != ERR_none)
        home_close(out);
    return err;
}

enum err home_open(const struct conf *conf, enum store_mode mode, bool exclusive, struct home *out,
                   struct fault *fault)
{
    return open_home(conf, mode, exclusive, false, out, fault);
}

enum err home_open_anyway(const struct conf *conf, struct home *out, struct fault *fault)
{
    return open_home(conf, STORE_WRITE, true, true, out, fault);
}

enum err home_reader(const struct home *home, struct store **out, struct fault *fault)
{
    struct store_config config = { .path = home->database,
                                   .cache_kib = conf_int(home->conf, "page_cache_mib") * 1024 /
                                                READER_CACHE_SHARE };

    return store_sqlite.open(&config, STORE_READ, out, fault);
}

/* Beside a daemon, whose business the witness is, a command leaves it alone: the daemon's next
 * commit stands behind the command's. */
static void save_witness(struct home *home)
{
    struct clock *clock = clock_system();
    struct fault  fault = { 0 };
    enum err      err;
    int           lock = -1;

    if (home->witness == NULL ||
        (!home->exclusive && store_lock(home->database, &lock, NULL) != ERR_none))
        return;
    err = witness_save(home->witness, clock->now_us(clock), &fault);
    if (err != ERR_none)
        log_event(LOG_WARNING, "witness_not_written", "error=%s text=\"%s\"", err_name(err),
                  fault.text);
    if (lock >= 0)
        close(lock);
}

void home_close(struct home *home)
{
    save_witness(home);
    witness_close(&home->witness);
    if (home->store != NULL)
        home->store->ops->close(&home->store);
    bank_free(&home->bank);
    sodium_memzero(home->curve_secret, sizeof home->curve_secret);
    sodium_memzero(home->sign_secret, sizeof home->sign_secret);
}

/* --- the rule set in force ------------------------------------------------------------------- */

/* The first rule set of a bank is the operator's; nobody else is there yet to approve it. */
static enum err take_rules(struct home *home, struct writer *writer,
                           const struct fraud_rules *rules, struct slice text, struct fault *fault)
{
    struct draft    *draft = writer_draft(writer);
    struct rule_set *row;
    char             subject[2 * CHAIN_HASH_BYTES + 1];
    struct act       act = { .actor_name = "operator",
                             .kind = AUDIT_ACTION,
                             .operation = "rules.load",
                             .subject_text = subject,
                             .detail = slice_from("rule file taken into force") };

    CHECK(draft != NULL);
    row = &draft->rule_set;
    memset(row, 0, sizeof *row);
    row->number = writer_next_rule_set(writer);
    bank_rules_hash(text, slice_of(NULL, 0), row->hash);
    row->state = RULES_ACTIVE;
    row->rules = (int64_t)fraud_rules_count(rules);
    row->proposed_at_us = writer_now_us(writer);
    row->approved_at_us = row->proposed_at_us;
    slice_copy(slice_from("rule file of the first start"), row->reason, sizeof row->reason);
    sodium_bin2hex(subject, sizeof subject, row->hash, CHAIN_HASH_BYTES);
    draft->change.rule_set = row;
    draft->change.rule_text = text;
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    TRY(writer_commit(writer, fault));
    home->rule_set = row->number;
    return ERR_none;
}

static enum err load_rules(struct home *home, struct clock *clock, struct slice text,
                           struct fault *fault)
{
    struct writer_config config = { .store = home->store,
                                    .bank = &home->bank,
                                    .clock = clock,
                                    .witness = home->witness,
                                    .books_max = 64,
                                    .profiles_max = 64 };
    struct fraud_rules  *rules = NULL;
    struct writer       *writer = NULL;
    enum err             err;

    TRY(parse_rules(home->conf, text, &rules, fault));
    err = writer_open(&config, &writer, fault);
    if (err == ERR_none)
        err = take_rules(home, writer, rules, text, fault);
    writer_close(&writer);
    fraud_rules_free(&rules);
    return err;
}

/* A rule file that the bank has never seen was written by somebody who believes that it counts. */
static void tell_ignored(struct home *home, struct slice text)
{
    struct rule_set row;
    uint8_t         hash[CHAIN_HASH_BYTES];

    bank_rules_hash(text, slice_of(NULL, 0), hash);
    if (home->store->ops->rule_set_by_hash(home->store, hash, &row) == ERR_not_found)
        log_event(
            LOG_WARNING, "rules_file_not_used",
            "rule_set=%lld file=\"%s\" next=\"the bank judges by the rules that were approved; "
            "propose these with bankterm run rules.propose rules=@FILE reason=...\"",
            (long long)home->rule_set, conf_text(home->conf, "rules_file"));
}

/* The set that the store says is in force; a bank without one takes its rule file. */
static enum err find_rules(struct home *home, struct clock *clock, struct fault *fault)
{
    struct store_numbers numbers;
    struct fault         ignored = { 0 };
    struct buf           text;
    enum err             err;

    TRY(home->store->ops->numbers(home->store, &numbers));
    home->rule_set = numbers.rules_active;
    buf_init(&text, LIMIT_RULES_FILE_MAX);
    err = read_small(conf_text(home->conf, "rules_file"), &text,
                     home->rule_set == 0 ? fault : &ignored);
    if (home->rule_set == 0 && err == ERR_none)
        err = load_rules(home, clock, slice_of(text.at, text.n), fault);
    else if (home->rule_set != 0 && err == ERR_none)
        tell_ignored(home, slice_of(text.at, text.n));
    buf_free(&text);
    return home->rule_set == 0 ? err : ERR_none;
}

/* That the witness was gone stays known when there is a new one. */
static enum err record_loss(struct home *home, struct writer *writer, struct fault *fault)
{
    struct draft *draft = writer_draft(writer);
    struct act    act = { .actor_name = "system",
                          .kind = AUDIT_ACTION,
                          .operation = "witness.missing",
                          .detail = slice_from(witness_sentence(home->witness_state)) };

    CHECK(draft != NULL);
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    TRY(writer_commit(writer, fault));
    home->witness_lost = false;
    return ERR_none;
}

enum err home_writer(struct home *home, struct clock *clock, struct writer **out,
                     struct fault *fault)
{
    struct writer_config config = { .store = home->store,
                                    .bank = &home->bank,
                                    .clock = clock,
                                    .sign_secret = home->sign_secret,
                                    .witness = home->witness,
                                    .books_max = (size_t)conf_int(home->conf, "books_max"),
                                    .profiles_max = (size_t)conf_int(home->conf, "profiles_max") };

    TRY(find_rules(home, clock, fault));
    config.rule_set = home->rule_set;
    TRY(writer_open(&config, out, fault));
    if (!home->witness_lost)
        return ERR_none;
    enum err err = record_loss(home, *out, fault);
    if (err != ERR_none)
        writer_close(out);
    return err;
}
