/* `bankd backup` and `bankd restore`: the bank's records in one file, proved on both ways.
 *
 * A backup is one snapshot of the store, taken through a reading handle of its own while postings
 * go on. It is made beside its place under another name, proved like `bankd verify` proves a bank
 * (pages, chain, signatures, balances, figures), brought to the disk, and only then gets its name;
 * a file that is there is never overwritten. So whatever has the name is whole.
 *
 * A restore takes the daemon's lock, copies the backup beside the store's place, brings its schema
 * up to date, proves it with the keys of the data directory, and renames it into place. A bank
 * that is there stays, or with --force is moved aside first with its log. In between there is no
 * bank at all rather than a half one: a log without its file is never left where SQLite would
 * take it for the new one's.
 *
 * A run that is killed leaves its copy under the other name, which ends in the number of its
 * process; the next run to the same place removes what belongs to processes that are gone.
 *
 * The witness (witness.h) of a bank that is moved aside goes with it, and the restored one gets its
 * own before it has its name. `restore --accept-loss` takes the bank that is there as it is, where
 * it lacks what its witness names: it must prove itself, an audit entry says what was given up, and
 * the witness begins anew with that entry.
 *
 * The keys are not part of a backup: whoever finds one must not be able to speak or sign for the
 * bank. They are four small files that never change; keep a copy of them apart. */
#include "bankd/accept.h"
#include "bankd/command.h"
#include "bankd/home.h"
#include "bankd/verify.h"
#include "common/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = HOME_PATH_MAX + 64, COPY_BYTES = 64 * 1024, MOVES_MAX = 3 };

static const char keys_note[] =
    "The keys are not part of it. To restore, keys/server.key, keys/server.pub, keys/audit.key\n"
    "and keys/audit.pub of this bank are needed too: keep a copy of them in another safe place.\n";

/* --- files ------------------------------------------------------------------------------------ */

static enum err file_fault(struct fault *fault, const char *what, const char *path)
{
    return fault_set(fault, err_no_room(errno) ? ERR_storage_full : ERR_io, NULL, "%s %.150s: %s",
                     what, path, strerror(errno));
}

static bool is_there(const char *path, const char *suffix)
{
    char        name[PATH_ROOM];
    struct stat info;

    snprintf(name, sizeof name, "%s%s", path, suffix);
    return lstat(name, &info) == 0;
}

/* A database that was closed well has left only itself; after an error there may be more. */
static void remove_database(const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal", ".lock" };
    char                     name[PATH_ROOM];

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

/* Whether a name is MARK and the number of a process that is gone, or of this one, and what SQLite
 * may add to it. */
static bool is_left_behind(const char *name, const char *mark)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal", ".lock" };
    size_t                   n = strlen(mark);
    char                    *end;
    long                     pid;

    if (strncmp(name, mark, n) != 0 || name[n] < '1' || name[n] > '9')
        return false;
    errno = 0;
    pid = strtol(name + n, &end, 10);
    if (errno != 0 || pid > INT_MAX)
        return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (strcmp(end, suffixes[i]) == 0)
            return pid == (long)getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
    return false;
}

/* Removes what runs that were killed have left beside a place: PLACE, the mark, and their number.
 * What cannot be removed stays; it is in nobody's way. */
static void sweep(const char *place, const char *mark)
{
    char           folder[PATH_ROOM];
    char           base[PATH_ROOM];
    char           begins[PATH_ROOM];
    struct dirent *entry;
    DIR           *directory;

    snprintf(folder, sizeof folder, "%s", place);
    snprintf(base, sizeof base, "%s", place);
    if (snprintf(begins, sizeof begins, "%s%s", basename(base), mark) >= (int)sizeof begins)
        return;
    directory = opendir(dirname(folder));
    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL)
        if (is_left_behind(entry->d_name, begins))
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
}

/* Brings the names in the directory of a file to the disk. */
static enum err sync_directory_of(const char *path, struct fault *fault)
{
    char     copy[PATH_ROOM];
    int      fd;
    enum err err = ERR_none;

    snprintf(copy, sizeof copy, "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        err = file_fault(fault, "Cannot sync the directory of", path);
    if (fd >= 0)
        close(fd);
    return err;
}

/* Gives a finished file its name; one that is there by now is left alone. */
static enum err put_in_place(const char *made, const char *place, struct fault *fault)
{
    if (renameat2(AT_FDCWD, made, AT_FDCWD, place, RENAME_NOREPLACE) == 0)
        return sync_directory_of(place, fault);
    if (errno == EEXIST)
        return fault_set(fault, ERR_exists, NULL, "%.180s is there and was left alone", place);
    return file_fault(fault, "Cannot rename to", place);
}

static enum err write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);

        if (done < 0)
            return ERR_io;
        bytes += done;
        n -= (size_t)done;
    }
    return ERR_none;
}

static enum err copy_file(const char *from, const char *to, struct fault *fault)
{
    char     chunk[COPY_BYTES];
    ssize_t  n = 1;
    enum err err = ERR_none;
    int      out;
    int      in = open(from, O_RDONLY | O_CLOEXEC);

    if (in < 0)
        return file_fault(fault, "Cannot open", from);
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        err = file_fault(fault, "Cannot create", to);
    while (err == ERR_none && n > 0) {
        n = read(in, chunk, sizeof chunk);
        if (n < 0)
            err = file_fault(fault, "Cannot read", from);
        else if (write_all(out, chunk, (size_t)n) != ERR_none)
            err = file_fault(fault, "Cannot write", to);
    }
    if (err == ERR_none && fsync(out) != 0)
        err = file_fault(fault, "Cannot write", to);
    if (out >= 0)
        close(out);
    close(in);
    return err;
}

/* --- proof ------------------------------------------------------------------------------------ */

/* Opens a copy and proves it with the bank's settings and keys. STORE_WRITE migrates it first. What
 * its witness is to say may be asked for. */
static enum err prove(struct home *home, const char *path, enum store_mode mode,
                      struct testimony *said, struct verify_report *report, struct fault *fault)
{
    struct store_config  config = { .path = path,
                                    .cache_kib = conf_int(home->conf, "page_cache_mib") * 1024 };
    struct store        *store = NULL;
    struct store_numbers numbers;
    enum err             err = store_sqlite.open(&config, mode, &store, fault);

    if (err != ERR_none)
        return err;
    err = verify_bank(store, &home->bank, home->sign_public, stderr, report, fault);
    if (err == ERR_none && said != NULL) {
        *said = (struct testimony){ .serial = 0 };
        err = witness_count(store, said);
        if (err == ERR_none)
            err = store->ops->numbers(store, &numbers);
        if (err == ERR_none)
            said->expect.head = numbers.head;
    }
    store->ops->close(&store);
    return err;
}

/* --- backup ----------------------------------------------------------------------------------- */

static enum err backup(struct home *home, const char *file, struct verify_report *report,
                       struct fault *fault)
{
    char     part[PATH_ROOM];
    enum err err;

    if (is_there(file, ""))
        return fault_set(fault, ERR_exists, NULL, "%.180s is there and was left alone", file);
    sweep(file, ".part-");
    snprintf(part, sizeof part, "%s.part-%d", file, (int)getpid());
    TRY(home->store->ops->backup(home->store, part, fault));
    err = prove(home, part, STORE_READ, NULL, report, fault);
    if (err == ERR_none)
        err = put_in_place(part, file, fault);
    if (err != ERR_none)
        remove_database(part);
    return err;
}

static int usage(const char *command, const char *text)
{
    struct fault fault = { 0 };

    fault_set(&fault, ERR_usage, NULL, "%s", text);
    return command_end(command, ERR_usage, &fault);
}

int command_backup(struct conf *conf, int argc, char **argv)
{
    struct verify_report report = { .last_sequence = 0 };
    struct fault         fault = { 0 };
    struct stat          info;
    struct home         *home;
    enum err             err;

    if (argc != 1 || argv[0][0] == '-')
        return usage("backup", "bankd backup takes the name of a new file");
    if (strlen(argv[0]) >= HOME_PATH_MAX)
        return usage("backup", "The name of the file is too long");
    home = calloc(1, sizeof *home);
    if (home == NULL)
        return command_end("backup", ERR_memory, NULL);
    err = home_open(conf, STORE_READ, false, home, &fault);
    if (err == ERR_none) {
        err = backup(home, argv[0], &report, &fault);
        home_close(home);
    }
    free(home);
    if (err == ERR_none && stat(argv[0], &info) == 0)
        printf("%s: %" PRId64 " bytes, proved up to entry %" PRId64 " of the audit chain.\n%s",
               argv[0], (int64_t)info.st_size, report.last_sequence, keys_note);
    return command_end("backup", err, &fault);
}

/* --- restore ---------------------------------------------------------------------------------- */

static enum err check_source(const char *file, struct fault *fault)
{
    static const char *const suffixes[] = { "-wal", "-journal" };

    if (!is_there(file, ""))
        return fault_set(fault, ERR_not_found, NULL, "There is no file %.180s", file);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (is_there(file, suffixes[i]))
            return fault_set(fault, ERR_state_conflict, NULL,
                             "%.150s has a log beside it: it is a bank in use and no backup of one",
                             file);
    return ERR_none;
}

static enum err check_keys(const struct home *place, struct fault *fault)
{
    static const char *const names[] = { "keys/server.key", "keys/server.pub", "keys/audit.key",
                                         "keys/audit.pub" };
    char                     path[HOME_PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!is_there(home_path(place, names[i], path), ""))
            return fault_set(fault, ERR_dependency, NULL,
                             "A backup holds no keys: first copy the bank's own to %.150s", path);
    return ERR_none;
}

/* Moves a bank that is there out of the way: the file first, so that it is never served without
 * its log. A log alone is what an earlier try left behind. */
static enum err move_aside(const char *database, bool force, struct fault *fault)
{
    static const char *const suffixes[MOVES_MAX] = { "", "-wal", ".head" };
    struct clock            *clock = clock_system();
    int64_t                  second = clock->now_us(clock) / US_PER_SECOND;
    char                     from[PATH_ROOM], to[PATH_ROOM];

    if (is_there(database, "") && !force)
        return fault_set(fault, ERR_exists, NULL,
                         "There is a bank in %.150s; --force moves it aside", database);
    for (size_t i = 0; i < MOVES_MAX; i++) {
        if (!is_there(database, suffixes[i]))
            continue;
        snprintf(from, sizeof from, "%s%s", database, suffixes[i]);
        snprintf(to, sizeof to, "%s.before-%" PRId64 "%s", database, second, suffixes[i]);
        TRY(put_in_place(from, to, fault));
        printf("%s is now %s\n", from, to);
    }
    snprintf(from, sizeof from, "%s-shm", database);
    unlink(from);
    return ERR_none;
}

/* The first word of a witness, on a bank that is about to get its name. */
static enum err begin_witness(struct home *home, const struct testimony *said, struct fault *fault)
{
    struct clock    *clock = clock_system();
    struct testimony before = *said;
    struct witness  *witness = NULL;
    enum err         err;

    before.expect.head.sequence = 0;
    TRY(witness_open(home->database, home->sign_secret, &before, &witness, fault));
    witness_note(witness, &said->expect.head, false);
    err = witness_save(witness, clock->now_us(clock), fault);
    witness_close(&witness);
    return err;
}

/* The copy is on the disk, whole, when its witness says so. */
static enum err restore(struct home *home, const char *file, bool force,
                        struct verify_report *report, struct fault *fault)
{
    struct testimony said;
    char             part[PATH_ROOM];
    enum err         err;

    sweep(home->database, ".restore-");
    snprintf(part, sizeof part, "%s.restore-%d", home->database, (int)getpid());
    err = copy_file(file, part, fault);
    if (err == ERR_none)
        err = prove(home, part, STORE_WRITE, &said, report, fault);
    if (err == ERR_none)
        err = move_aside(home->database, force, fault);
    if (err == ERR_none)
        err = begin_witness(home, &said, fault);
    if (err == ERR_none)
        err = put_in_place(part, home->database, fault);
    if (err != ERR_none)
        remove_database(part);
    return err;
}

static enum err restore_locked(const struct conf *conf, const char *file, bool force,
                               struct home *home, struct verify_report *report, struct fault *fault)
{
    const char *database = conf_text(conf, "database_path");
    int         lock = -1;
    int         file_lock = -1; /* of the bank that is moved aside */
    enum err    err;

    TRY(check_source(file, fault));
    slice_copy(slice_from(conf_text(conf, "data_dir")), home->directory, sizeof home->directory);
    TRY(check_keys(home, fault));
    if (is_there(database, "") && !force)
        return fault_set(fault, ERR_exists, NULL,
                         "There is a bank in %.150s; --force moves it aside", database);
    TRY(home_attach(conf, home, fault));
    err = store_lock(database, &lock, fault);
    if (err == ERR_none && is_there(database, ""))
        err = store_lock_file(database, &file_lock, fault);
    if (err == ERR_none)
        err = restore(home, file, force, report, fault);
    if (file_lock >= 0)
        close(file_lock);
    if (lock >= 0)
        close(lock);
    home_close(home);
    return err;
}

static int accept(struct conf *conf)
{
    struct verify_report report = { .last_sequence = 0 };
    struct fault         fault = { 0 };
    struct home         *home = calloc(1, sizeof *home);
    enum err             err;

    if (home == NULL)
        return command_end("restore", ERR_memory, NULL);
    err = accept_loss(conf, home, &report, &fault);
    free(home);
    return command_end("restore", err, &fault);
}

int command_restore(struct conf *conf, int argc, char **argv)
{
    struct verify_report report = { .last_sequence = 0 };
    struct fault         fault = { 0 };
    const char          *file = NULL;
    struct home         *home;
    bool                 force = false;
    enum err             err;

    if (argc == 1 && strcmp(argv[0], "--accept-loss") == 0)
        return accept(conf);
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--force") == 0)
            force = true;
        else if (file == NULL && argv[i][0] != '-')
            file = argv[i];
        else
            return usage("restore", "bankd restore takes the name of a backup, and --force; or "
                                    "--accept-loss alone");
    }
    if (file == NULL || strlen(file) >= HOME_PATH_MAX)
        return usage("restore", "bankd restore takes the name of a backup");
    home = calloc(1, sizeof *home);
    if (home == NULL)
        return command_end("restore", ERR_memory, NULL);
    err = restore_locked(conf, file, force, home, &report, &fault);
    free(home);
    if (err == ERR_none)
        home_demo_end(conf); /* what is here now is whole, and no init may remove it */
    if (err == ERR_none)
        printf("%s is the bank now, proved up to entry %" PRId64 " of the audit chain.\n",
               conf_text(conf, "database_path"), report.last_sequence);
    return command_end("restore", err, &fault);
}
