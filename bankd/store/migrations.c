/* The SQL of data/migrations/ as strings, taken in by the assembler so that the files stay what
 * they are and the running program needs none of them. Paths are from the root of the tree, where
 * the build runs; the Makefile says that this object depends on them. */
#include "bankd/store/migrations.h"

#define MIGRATION(symbol, path)                                                                    \
    __asm__(".pushsection .rodata\n" #symbol ":\n"                                                 \
            ".incbin \"" path "\"\n"                                                               \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const char symbol[] __attribute__((visibility("hidden")))

MIGRATION(migration_0001, "data/migrations/0001_bank.sql");

MIGRATION(migration_0002, "data/migrations/0002_work.sql");

MIGRATION(migration_0003, "data/migrations/0003_releases.sql");

MIGRATION(migration_0004, "data/migrations/0004_log.sql");

MIGRATION(migration_0005, "data/migrations/0005_losses.sql");

const char *const migration_texts[MIGRATION_COUNT] = {
    migration_0001, migration_0002, migration_0003, migration_0004, migration_0005,
};
