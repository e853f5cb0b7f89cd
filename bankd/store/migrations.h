/* The numbered SQL files of data/migrations/, carried inside the binary. Migration n takes a
 * database from schema version n - 1 to n; MIGRATION_COUNT is the version that this build speaks.
 * A file that was released is never changed again: a new one is added behind it. */
#ifndef BANKD_STORE_MIGRATIONS_H
#define BANKD_STORE_MIGRATIONS_H

enum { MIGRATION_COUNT = 5 };

extern const char *const migration_texts[MIGRATION_COUNT];

#endif
