/* The command `bankd import`: a file, a map and a bank become loaded rows, a reject file and a
 * summary. See import.h for the parts.
 *
 * The file is read once, in order, and groups of rows are committed as they fill, so that memory
 * does not grow with the file and an interrupted import has lost nothing but its last group; run
 * again it finds what it has already loaded by the rows' ids. A dry run does exactly the same on a
 * copy of the store, which is thrown away: nothing is simulated, so nothing is missed.
 *
 * Data goes to stdout (the summary), talk to stderr. */
#include "bankd/import.h"

#include "bankd/command.h"
#include "common/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TELL_EVERY_US = 10 * 1000 * 1000,
    TELL_TTY_EVERY_US = 250 * 1000,
    TELL_ROWS = 512, /* the clock is looked at after so many rows */
    DISAGREEMENTS_TOLD = 10,
    UNKNOWN_TOLD = 10,
    CHECKPOINT_COMMITS = 64,
    HASH_CHUNK = 65536,
};

struct job {
    struct conf *conf;
    const char  *file_name;
    const char  *map_name;
    bool         dry_run;
    bool         check_balances;
    bool         labels;
    char         rejects_name[HOME_PATH_MAX];
    char         scratch[HOME_PATH_MAX]; /* directory of a dry run; empty = none */

    struct home           home;
    struct writer        *writer;
    struct import_map    *map;
    struct import_loader *loader;
    struct import_labels *late; /* of a map of labels alone; else NULL */
    struct clock         *clock;
    FILE                 *file;
    int                   raw; /* the same file, for the text of bad rows */
    int64_t               size;
    char                  hash[65];
    FILE                 *rejects;
    struct buf            cells;
    bool                  is_tty;
    bool                  told;
    int64_t               started_us;
    int64_t               told_us;
    int64_t               told_rows;
    int64_t               checkpointed;
    int64_t               disagreements_told;
    int64_t               unknown_told;
    struct csv_reader     reader;
};

static volatile sig_atomic_t stop_asked;

static void ask_stop(int signal_number)
{
    stop_asked = signal_number;
}

/* --- what the command line says -------------------------------------------------------------- */

static enum err usage(struct fault *fault, const char *what, const char *name)
{
    return fault_set(fault, ERR_usage, NULL,
                     "%s%s; bankd import FILE --map MAP [--dry-run] [--check-balances] [--labels] "
                     "[--rejects FILE]",
                     what, name);
}

static enum err parse_arguments(struct job *job, int argc, char **argv, struct fault *fault)
{
    const char *rejects = NULL;

    for (int i = 0; i < argc; i++) {
        const char **value = NULL;

        if (strcmp(argv[i], "--dry-run") == 0)
            job->dry_run = true;
        else if (strcmp(argv[i], "--check-balances") == 0)
            job->check_balances = true;
        else if (strcmp(argv[i], "--labels") == 0)
            job->labels = true;
        else if (strcmp(argv[i], "--map") == 0)
            value = &job->map_name;
        else if (strcmp(argv[i], "--rejects") == 0)
            value = &rejects;
        else if (strncmp(argv[i], "--map=", 6) == 0)
            job->map_name = argv[i] + 6;
        else if (strncmp(argv[i], "--rejects=", 10) == 0)
            rejects = argv[i] + 10;
        else if (argv[i][0] == '-' || job->file_name != NULL)
            return usage(fault, "This does not belong here: ", argv[i]);
        else
            job->file_name = argv[i];
        if (value != NULL && i + 1 == argc)
            return usage(fault, "A value is missing behind ", argv[i]);
        if (value != NULL)
            *value = argv[++i];
    }
    if (job->file_name == NULL || job->map_name == NULL)
        return usage(fault, "A file and a map are needed", "");
    int n = rejects != NULL ? snprintf(job->rejects_name, sizeof job->rejects_name, "%s", rejects)
                            : snprintf(job->rejects_name, sizeof job->rejects_name,
                                       "%s.rejects.csv", job->file_name);
    if (n < 0 || (size_t)n >= sizeof job->rejects_name)
        return usage(fault, "The name of the file is too long", "");
    return ERR_none;
}

/* --- the map --------------------------------------------------------------------------------- */

/* Where a map of a bare name may be: given as a path, in the tree, or where it was installed,
 * which is found from the place of this program. NULL behind the last one. */
static const char *map_place(const char *name, int place, char out[HOME_PATH_MAX])
{
    static const char *const places[] = { "", "data/maps/", "../data/maps/",
                                          "../share/bankd/maps/" };
    char                     program[HOME_PATH_MAX];
    ssize_t                  n;
    char                    *slash;

    if (place == 0 || place == 1) {
        n = snprintf(out, HOME_PATH_MAX, "%s%s%s", places[place], name, place == 0 ? "" : ".map");
        return n < HOME_PATH_MAX ? out : "";
    }
    if (place >= (int)ARRAY_COUNT(places))
        return NULL;
    n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    slash = strrchr(program, '/');
    if (slash == NULL)
        return "";
    slash[1] = '\0';
    n = snprintf(out, HOME_PATH_MAX, "%.700s%s%.200s.map", program, places[place], name);
    return n < HOME_PATH_MAX ? out : "";
}

/* A directory may have the name of a map. */
static FILE *open_regular(const char *path)
{
    FILE       *file = path != NULL && path[0] != '\0' ? fopen(path, "re") : NULL;
    struct stat status;

    if (file == NULL)
        return NULL;
    if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode))
        return file;
    fclose(file);
    errno = EISDIR;
    return NULL;
}

static enum err load_map(struct job *job, struct fault *fault)
{
    char        path[HOME_PATH_MAX];
    char        text[IMPORT_MAP_MAX + 2];
    const char *found = "";
    FILE       *file = NULL;
    size_t      n;
    bool        failed;

    for (int place = 0; file == NULL && found != NULL; place++) {
        found = map_place(job->map_name, place, path);
        file = open_regular(found);
        if (place == 0 && strchr(job->map_name, '/') != NULL)
            break;
    }
    if (file == NULL)
        return fault_set(fault, ERR_io, "map", "The map %.150s cannot be opened: %s", job->map_name,
                         strerror(errno));
    n = fread(text, 1, sizeof text, file);
    failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        return fault_set(fault, ERR_io, "map", "The map %.150s cannot be read", found);
    return import_map_parse(slice_of(text, n), found, &job->map, fault);
}

/* --- the file -------------------------------------------------------------------------------- */

static enum err file_fault(const char *path, struct fault *fault)
{
    return fault_set(fault, ERR_io, NULL, "%.150s: %s", path, strerror(errno));
}

static enum err hash_file(struct job *job, struct fault *fault)
{
    crypto_generichash_state state;
    uint8_t                  hash[32];
    uint8_t                 *chunk = malloc(HASH_CHUNK);
    ssize_t                  n = 1;
    off_t                    at = 0;

    if (chunk == NULL)
        return ERR_memory;
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    while (n > 0 && stop_asked == 0) {
        n = pread(job->raw, chunk, HASH_CHUNK, at);
        if (n > 0)
            crypto_generichash_update(&state, chunk, (size_t)n);
        at += n > 0 ? n : 0;
    }
    free(chunk);
    if (n < 0)
        return file_fault(job->file_name, fault);
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(job->hash, sizeof job->hash, hash, sizeof hash);
    return ERR_none;
}

/* Rejected rows of an earlier run must not be taken for those of this one. */
static enum err clear_rejects(struct job *job, const struct stat *input, struct fault *fault)
{
    struct stat status;

    if (stat(job->rejects_name, &status) != 0)
        return ERR_none;
    if (status.st_dev == input->st_dev && status.st_ino == input->st_ino)
        return fault_set(fault, ERR_usage, NULL, "The rejected rows would replace the file itself");
    if (S_ISREG(status.st_mode) && unlink(job->rejects_name) != 0)
        return file_fault(job->rejects_name, fault);
    return ERR_none;
}

static enum err open_file(struct job *job, struct fault *fault)
{
    struct stat status;

    job->file = fopen(job->file_name, "re");
    if (job->file == NULL)
        return file_fault(job->file_name, fault);
    job->raw = fileno(job->file);
    if (fstat(job->raw, &status) != 0)
        return file_fault(job->file_name, fault);
    if (!S_ISREG(status.st_mode))
        return fault_set(fault, ERR_io, NULL, "%.150s is not a regular file", job->file_name);
    job->size = status.st_size;
    TRY(clear_rejects(job, &status, fault));
    TRY(hash_file(job, fault));
    csv_reader_init(&job->reader, job->file, job->map->delimiter);
    if (!job->map->header)
        return ERR_none;
    TRY(csv_read(&job->reader, fault));
    if (job->reader.count == 0)
        return fault_set(fault, ERR_file_syntax, NULL, "%.150s is empty", job->file_name);
    return import_map_bind(job->map, job->reader.cells, job->reader.count, fault);
}

/* --- the bank -------------------------------------------------------------------------------- */

/* Replaces the home's store by a copy of it in a directory of its own. */
static enum err open_scratch(struct job *job, struct fault *fault)
{
    struct store_config config = { .cache_kib = conf_int(job->conf, "page_cache_mib") * 1024 };
    char                path[HOME_PATH_MAX + 16];
    struct store       *copy = NULL;
    enum err            err;

    home_path(&job->home, "dry-run-XXXXXX", job->scratch);
    if (mkdtemp(job->scratch) == NULL) {
        job->scratch[0] = '\0';
        return file_fault(job->home.directory, fault);
    }
    snprintf(path, sizeof path, "%s/bank.db", job->scratch);
    TRY(job->home.store->ops->backup(job->home.store, path, fault));
    config.path = path;
    err = store_sqlite.open(&config, STORE_WRITE, &copy, fault);
    TRY(err);
    job->home.store->ops->close(&job->home.store);
    job->home.store = copy;
    return ERR_none;
}

static void drop_scratch(struct job *job)
{
    static const char *const names[] = { "", "-wal", "-shm", ".lock", "-lock", "-journal" };
    char                     path[HOME_PATH_MAX + 32];

    if (job->scratch[0] == '\0')
        return;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/bank.db%s", job->scratch, names[i]);
        unlink(path);
    }
    if (rmdir(job->scratch) != 0)
        fprintf(stderr, "bankd import: %s is left behind: %s\n", job->scratch, strerror(errno));
}

static void tell_disagreement(void *context, const struct import_row *row, int64_t ledger)
{
    struct job *job = context;
    char        file_text[MONEY_TEXT_MAX];
    char        ledger_text[MONEY_TEXT_MAX];

    if (job->disagreements_told++ >= DISAGREEMENTS_TOLD)
        return;
    fprintf(stderr, "line %" PRId64 ": account %s: the file says %s, the ledger %s\n",
            job->reader.line, row->account,
            money_text(row->balance, row->currency->exponent, file_text),
            money_text(ledger, row->currency->exponent, ledger_text));
}

/* Profiles that fit into memory are saved once, at the end; those that do not, again and again. So
 * an import has more room for them than a daemon, unless the operator has set it. */
static enum err make_room(struct job *job, struct fault *fault)
{
    return conf_set(job->conf, "profiles_max", "65536", CONF_DEFAULT, fault);
}

static enum err record(struct job *job, const char *operation, const char *outcome,
                       struct fault *fault)
{
    const struct import_counts *counts = import_loader_counts(job->loader);
    const char                 *slash = strrchr(job->file_name, '/');
    char                        detail[LIMIT_DETAIL_MAX + 1];
    struct act                  act = { .actor_name = "import",
                                        .kind = AUDIT_ACTION,
                                        .operation = operation,
                                        .outcome = outcome,
                                        .subject_text = job->map->source };
    struct draft               *draft;

    snprintf(detail, sizeof detail,
             "file=%.80s hash=%s bytes=%" PRId64 " rows=%" PRId64 " loaded=%" PRId64
             " repeated=%" PRId64 " skipped=%" PRId64 " rejected=%" PRId64 " labels=%" PRId64
             " changed=%" PRId64 " unknown=%" PRId64,
             slash != NULL ? slash + 1 : job->file_name, job->hash, job->size, counts->rows,
             counts->loaded, counts->repeated, counts->skipped, counts->rejected, counts->labels,
             counts->labels_changed, counts->unknown);
    act.detail = slice_from(detail);
    draft = writer_draft(job->writer);
    if (draft == NULL)
        return ERR_busy;
    writer_audit(job->writer, draft, &act);
    writer_add(job->writer, draft);
    return import_loader_commit(job->loader, fault);
}

/* --- bad rows -------------------------------------------------------------------------------- */

static enum err rejects_open(struct job *job, struct fault *fault)
{
    static const char header[] = "line,column,error,text,row\r\n";

    if (job->rejects != NULL)
        return ERR_none;
    job->rejects = fopen(job->rejects_name, "we");
    if (job->rejects == NULL)
        return file_fault(job->rejects_name, fault);
    if (fputs(header, job->rejects) == EOF)
        return file_fault(job->rejects_name, fault);
    return ERR_none;
}

/* The row's own bytes, without the line end behind it and empty lines before it. */
static struct slice raw_row(struct job *job, const struct import_place *place, char *out,
                            size_t size)
{
    int64_t      n = place->to - place->from;
    ssize_t      got = pread(job->raw, out, n < (int64_t)size ? (size_t)n : size, place->from);
    struct slice text = slice_of(out, got > 0 ? (size_t)got : 0);

    while (text.n > 0 && (text.at[0] == '\n' || text.at[0] == '\r'))
        text = slice_of(text.at + 1, text.n - 1);
    while (text.n > 0 && (text.at[text.n - 1] == '\n' || text.at[text.n - 1] == '\r'))
        text.n--;
    return text;
}

static enum err reject(struct job *job, const struct import_place *place, enum err err,
                       const struct fault *why, struct fault *fault)
{
    static char  raw[CSV_RECORD_MAX];
    char         line[24];
    struct slice cells[5];

    TRY(rejects_open(job, fault));
    snprintf(line, sizeof line, "%" PRId64, place->line);
    cells[0] = slice_from(line);
    cells[1] = slice_from(why->field);
    cells[2] = slice_from(err_name(err));
    cells[3] = slice_from(why->text[0] != '\0' ? why->text : err_what(err));
    cells[4] = raw_row(job, place, raw, sizeof raw);
    buf_clear(&job->cells);
    for (size_t i = 0; i < ARRAY_COUNT(cells); i++) {
        if (i > 0)
            TRY(buf_add(&job->cells, ",", 1));
        TRY(csv_cell(&job->cells, cells[i], ','));
    }
    TRY(buf_add(&job->cells, "\r\n", 2));
    if (fwrite(job->cells.at, 1, job->cells.n, job->rejects) != job->cells.n)
        return file_fault(job->rejects_name, fault);
    return ERR_none;
}

/* A label that found no payment; the first of them are told at once. */
static enum err refuse_label(void *context, const struct import_place *place, enum err err,
                             const struct fault *why)
{
    struct job  *job = context;
    struct fault fault = { 0 };

    if (err == ERR_not_found && job->unknown_told++ < UNKNOWN_TOLD)
        fprintf(stderr, "line %" PRId64 ": %s\n", place->line, why->text);
    err = reject(job, place, err, why, &fault);
    if (err != ERR_none)
        fprintf(stderr, "bankd import: %s\n", fault.text);
    return err;
}

static enum err rejects_close(struct job *job, struct fault *fault)
{
    FILE *file = job->rejects;

    job->rejects = NULL;
    if (file != NULL && fclose(file) != 0)
        return file_fault(job->rejects_name, fault);
    return ERR_none;
}

/* --- all parts of it -------------------------------------------------------------------------- */

static enum err open_bank(struct job *job, struct fault *fault)
{
    struct import_options options = { .check_balances = job->check_balances,
                                      .labels = job->labels,
                                      .disagreement = tell_disagreement,
                                      .context = job };

    TRY(make_room(job, fault));
    TRY(home_open(job->conf, job->dry_run ? STORE_READ : STORE_WRITE, !job->dry_run, &job->home,
                  fault));
    if (job->dry_run)
        TRY(open_scratch(job, fault));
    TRY(home_writer(&job->home, job->clock, &job->writer, fault));
    TRY(import_loader_open(job->map, job->writer, &options, &job->loader));
    if (!job->map->labels_only)
        return ERR_none;
    return import_labels_open(job->map, job->home.store, job->loader, refuse_label, job,
                              &job->late);
}

/* --- the loop -------------------------------------------------------------------------------- */

static void tell_progress(struct job *job, int64_t now_us)
{
    int64_t rows = import_loader_counts(job->loader)->rows;
    int64_t past_us = now_us - job->started_us;
    int64_t speed =
        past_us > 0 ? (rows - job->told_rows) * US_PER_SECOND / (now_us - job->told_us) : 0;
    int64_t percent = job->size > 0 ? job->reader.bytes * 100 / job->size : 100;
    int64_t left_s = job->reader.bytes > 0
                         ? (int64_t)((__int128)past_us * (job->size - job->reader.bytes) /
                                     job->reader.bytes / US_PER_SECOND)
                         : 0;

    fprintf(stderr,
            "%s%" PRId64 " rows  %" PRId64 " rows/s  %" PRId64 " %%  %" PRId64 ":%02" PRId64
            " left%s",
            job->is_tty ? "\r" : "import: ", rows, speed, percent, left_s / 60, left_s % 60,
            job->is_tty ? "   " : "\n");
    job->told = true;
    job->told_us = now_us;
    job->told_rows = rows;
}

static enum err tick(struct job *job, struct fault *fault)
{
    int64_t now_us = job->clock->monotonic_us(job->clock);
    int64_t every_us = job->is_tty ? TELL_TTY_EVERY_US : TELL_EVERY_US;

    if (now_us - job->told_us >= every_us)
        tell_progress(job, now_us);
    if (writer_commits(job->writer) - job->checkpointed < CHECKPOINT_COMMITS)
        return ERR_none;
    TRY(import_loader_commit(job->loader, fault)); /* no group may hold the log */
    job->checkpointed = writer_commits(job->writer);
    return job->home.store->ops->checkpoint(job->home.store);
}

static bool is_own(enum err err)
{
    return err_class(err) == ERR_CLASS_INPUT || err_class(err) == ERR_CLASS_CONFLICT;
}

/* A bad record may have run over many lines behind one lost quote. Only its first line is bad:
 * goes back to the one after it. */
static enum err step_back(struct job *job, int64_t from, struct fault *fault)
{
    static char text[CSV_RECORD_MAX];
    ssize_t     n = pread(job->raw, text, sizeof text, from);
    ssize_t     at = 0;

    while (at < n && (text[at] == '\n' || text[at] == '\r'))
        at++;
    while (at < n && text[at] != '\n')
        at++;
    if (at >= n || from + at + 1 >= job->reader.bytes)
        return ERR_none;
    if (fseeko(job->file, from + at + 1, SEEK_SET) != 0)
        return file_fault(job->file_name, fault);
    job->reader.bytes = from + at + 1;
    job->reader.next_line = job->reader.line + 1;
    return ERR_none;
}

/* One record; *end when there is no more. */
static enum err take_record(struct job *job, bool *end, struct fault *fault)
{
    struct import_counts *counts = import_loader_counts(job->loader);
    struct fault          why = { 0 };
    struct import_place   place = { .from = job->reader.bytes };
    enum err              err = csv_read(&job->reader, &why);

    place.line = job->reader.line;
    place.to = job->reader.bytes;
    if (err == ERR_file_syntax) {
        counts->rows++;
        counts->rejected++;
        TRY(step_back(job, place.from, fault));
        place.to = job->reader.bytes;
        return reject(job, &place, err, &why, fault);
    }
    if (err == ERR_none && job->reader.count == 0) {
        *end = true;
        return ERR_none;
    }
    if (err == ERR_none && job->late != NULL)
        err = import_labels_row(job->late, &place, job->reader.cells, job->reader.count, &why);
    else if (err == ERR_none)
        err = import_loader_row(job->loader, job->reader.cells, job->reader.count, &why);
    if (err != ERR_none && is_own(err))
        return reject(job, &place, err, &why, fault);
    if (err != ERR_none && fault != NULL)
        *fault = why;
    return err;
}

static enum err load_rows(struct job *job, struct fault *fault)
{
    const struct import_counts *counts = import_loader_counts(job->loader);
    bool                        end = false;

    job->started_us = job->clock->monotonic_us(job->clock);
    job->told_us = job->started_us;
    while (!end && stop_asked == 0) {
        TRY(take_record(job, &end, fault));
        if (counts->rows % TELL_ROWS == 0)
            TRY(tick(job, fault));
    }
    if (job->late != NULL && stop_asked == 0)
        TRY(import_labels_flush(job->late, fault));
    TRY(import_loader_commit(job->loader, fault));
    return stop_asked != 0 ? ERR_cancelled : ERR_none;
}

/* --- the end --------------------------------------------------------------------------------- */

static void print_summary(struct job *job)
{
    const struct import_counts *counts = import_loader_counts(job->loader);
    int64_t                     past_us = job->clock->monotonic_us(job->clock) - job->started_us;
    bool                        payments = !job->map->labels_only;
    struct {
        const char *name;
        int64_t     value;
        bool        shown;
    } lines[] = {
        { "rows read", counts->rows, true },
        { "loaded", counts->loaded, payments },
        { "repeated", counts->repeated, true },
        { "skipped", counts->skipped, true },
        { "rejected", counts->rejected, true },
        { "of them unknown", counts->unknown, !payments },
        { "accounts created", counts->accounts, payments },
        { "customers created", counts->customers, payments },
        { "roundings posted", counts->roundings, job->map->rounding.count > 0 },
        { "labels stored", counts->labels, job->labels },
        { "of them fraud", counts->frauds, job->labels },
        { "of them changed", counts->labels_changed, job->labels && counts->labels_changed > 0 },
        { "kept as decided", counts->labels_kept, job->labels && counts->labels_kept > 0 },
        { "balances agree", counts->agree, job->check_balances },
        { "balances disagree", counts->disagree, job->check_balances },
        { "balances not checked", counts->unchecked, job->check_balances },
        { "suspicious rows", counts->suspicious, payments },
        { "alerts raised", counts->alerts, payments },
    };

    if (job->told && job->is_tty)
        fputc('\n', stderr);
    if (job->dry_run)
        printf("dry run: nothing was written\n");
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
        if (lines[i].shown)
            printf("%-21s %" PRId64 "\n", lines[i].name, lines[i].value);
    printf("%-21s %" PRId64 ".%03" PRId64 "\n", "seconds", past_us / US_PER_SECOND,
           past_us % US_PER_SECOND / 1000);
    printf("%-21s %" PRId64 "\n", "rows per second",
           past_us > 0 ? counts->rows * US_PER_SECOND / past_us : 0);
    if (counts->rejected > 0)
        printf("%-21s %s\n", "rejected rows are in", job->rejects_name);
    fflush(stdout);
    /* A file of corrections may have none. */
    if (counts->labels > counts->labels_changed && counts->frauds == 0)
        fprintf(stderr, "bankd: none of the labels is fraud; look whether label.fraud of the map "
                        "is written as in the file\n");
}

static enum err run(struct job *job, struct fault *fault)
{
    struct fault end_fault = { 0 };
    enum err     err;
    enum err     end;

    TRY(load_map(job, fault));
    job->labels = job->labels || job->map->labels_only;
    if (job->map->labels_only && job->check_balances)
        return usage(fault, "A file of labels alone has no balances to check", "");
    TRY(open_file(job, fault));
    if (stop_asked != 0)
        return ERR_cancelled;
    TRY(open_bank(job, fault));
    TRY(record(job, "import.start", NULL, fault));
    err = load_rows(job, fault);
    end = record(job, "import.done", err != ERR_none ? err_name(err) : NULL, &end_fault);
    if (err == ERR_none && end != ERR_none) {
        err = end;
        *fault = end_fault;
    }
    end = rejects_close(job, &end_fault);
    if (err == ERR_none && end != ERR_none) {
        err = end;
        *fault = end_fault;
    }
    if (err == ERR_none || err == ERR_cancelled)
        print_summary(job);
    if (err == ERR_cancelled)
        return fault_set(fault, err, NULL,
                         "Stopped by a signal behind line %" PRId64 "; all rows before it are "
                         "committed, and the same command goes on from there",
                         job->reader.line);
    return err;
}

static void finish(struct job *job)
{
    import_labels_close(&job->late);
    import_loader_close(&job->loader);
    writer_close(&job->writer);
    if (job->home.store != NULL && job->scratch[0] == '\0' && !job->dry_run)
        (void)!job->home.store->ops->checkpoint(job->home.store);
    if (job->home.store != NULL)
        home_close(&job->home);
    drop_scratch(job);
    if (job->rejects != NULL)
        fclose(job->rejects);
    if (job->file != NULL)
        fclose(job->file);
    import_map_free(&job->map);
    buf_free(&job->cells);
}

/* An import that ends in the middle has changed something: what its commits hold stays. */
static int end(const struct job *job, int64_t committed, enum err err, const struct fault *fault)
{
    char promise[160];

    if (committed == 0 || job->dry_run)
        return command_end("import", err, fault);
    snprintf(promise, sizeof promise,
             "%" PRId64 " rows of the file are loaded and stay; the same command goes on from "
             "there",
             committed);
    return command_end_with("import", err, fault, promise);
}

int command_import(struct conf *conf, int argc, char **argv)
{
    struct job      *job = calloc(1, sizeof *job);
    struct fault     fault = { 0 };
    struct sigaction action = { .sa_handler = ask_stop };
    bool             disagrees = false;
    int64_t          committed = 0;
    int              code;
    enum err         err;

    if (job == NULL)
        return command_end("import", ERR_memory, NULL);
    job->conf = conf;
    job->clock = clock_system();
    job->is_tty = isatty(STDERR_FILENO) == 1;
    buf_init(&job->cells, 4 * CSV_RECORD_MAX);
    stop_asked = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    err = parse_arguments(job, argc, argv, &fault);
    if (err == ERR_none)
        err = run(job, &fault);
    if (err == ERR_none) {
        const struct import_counts *counts = import_loader_counts(job->loader);

        disagrees = counts->disagree > 0;
        if (disagrees)
            fprintf(stderr,
                    "bankd import: %" PRId64 " of %" PRId64 " balances disagree with the "
                    "file\n",
                    counts->disagree, counts->disagree + counts->agree);
        if (counts->rejected > 0 && counts->rejected == counts->rows)
            err = fault_set(&fault, ERR_file_syntax, NULL, "Every row was rejected; see %.150s",
                            job->rejects_name);
    }
    if (job->loader != NULL)
        committed = import_loader_counts(job->loader)->committed;
    finish(job);
    code = end(job, committed, err, &fault);
    free(job);
    return err != ERR_none || !disagrees ? code : ERR_CLASS_CONFLICT;
}
