/* Names of accounts and parties that readers have looked up, shared by all of them.
 *
 * A page of a list names a hundred accounts, and each look-up costs a descent and often a page of
 * the file; under load a reader's own pages are out of date after each commit, but a name is not.
 * So names are kept here, by number, and asked for before the store is.
 *
 * A name is of a version. Who commits something that may change a name calls names_changed
 * afterwards; a reader takes the version before it takes its snapshot and asks and tells with
 * that: then what it finds is at least as new as its snapshot, and never older.
 *
 * Threads: every call may come from any. Memory: LIMIT_NAMES_KEPT places of 64 bytes, which the
 * system gives when they are first used. */
#ifndef BANKD_NAMES_H
#define BANKD_NAMES_H

#include "common/buf.h"
#include "common/err.h"
#include "common/ident.h"

struct names;

/* Of accounts and of parties: their numbers have nothing to do with each other. */
enum names_kind { NAMES_ACCOUNT, NAMES_PARTY, NAMES_KINDS };

enum { NAMES_TEXT_MAX = 33 };

struct name {
    struct uuid id;
    uint8_t     n;
    char        text[NAMES_TEXT_MAX]; /* without a NUL */
};

ERR_MUST_USE enum err names_open(struct names **out);
void                  names_close(struct names **names);

uint32_t names_version(struct names *names);
void     names_changed(struct names *names);

/* False when it is not known in this version. */
bool names_get(struct names *names, enum names_kind kind, int64_t number, uint32_t version,
               struct name *out);
/* The name will be asked for soon: its memory is fetched while the caller does other things. */
void names_expect(const struct names *names, enum names_kind kind, int64_t number);
/* A name that is longer than its place is not kept. */
void names_put(struct names *names, enum names_kind kind, int64_t number, uint32_t version,
               const struct uuid *id, struct slice text);

#endif
