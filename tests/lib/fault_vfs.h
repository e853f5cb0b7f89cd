/* A disk for tests that can be pulled out of the wall, refuse, and fill up: a VFS of SQLite that
 * keeps its files in memory, and the seam where SQLite asks for memory.
 *
 * Each file has two contents: what was written, and what is safe, which is what was written at its
 * last sync. `fault_disk_cut` makes the disk that a power cut at this moment would leave: of the
 * sectors (512 bytes) written since the last sync none, all, or a random half has arrived; a file
 * whose size, birth or end was not synced yet may have either. A sync that fails behaves like the
 * kernel's: what was to be written is forgotten, and a later sync does not bring it.
 *
 * A test registers it as SQLite's default VFS, so that no production code knows of it. The names
 * of files are the real ones, but the real files stay empty. One disk, one thread. */
#ifndef TESTS_LIB_FAULT_VFS_H
#define TESTS_LIB_FAULT_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Must come before anything else uses SQLite. */
void fault_vfs_register(void);

/* --- the disk as a value --------------------------------------------------------------------- */

struct fault_disk;

enum fault_cut {
    FAULT_CUT_KEEP, /* the process is killed: everything written is there */
    FAULT_CUT_LOSE, /* nothing that was not synced has arrived */
    FAULT_CUT_TEAR, /* each sector by chance */
};

/* What a cut now would leave; the caller frees it. The seed matters for FAULT_CUT_TEAR alone. */
struct fault_disk *fault_disk_cut(enum fault_cut cut, uint64_t seed);
void               fault_disk_free(struct fault_disk **disk);
bool               fault_disk_same(const struct fault_disk *a, const struct fault_disk *b);
/* The disk becomes a copy of this one, or empty when NULL; no file may be open. What is on it is
 * safe. Faults are taken back. */
void fault_disk_load(const struct fault_disk *disk);

/* The content of a file, to look at or to damage; NULL when it is not there. */
uint8_t *fault_disk_bytes(const char *name, size_t *n);

/* --- faults ---------------------------------------------------------------------------------- */

enum fault_kind {
    FAULT_READ = 1,
    FAULT_WRITE = 2, /* about half of its sectors are written */
    FAULT_SYNC = 4,
    FAULT_OPEN = 8,
    FAULT_TRUNCATE = 16,
    FAULT_OTHER = 32,       /* size, access, delete, shared memory */
    FAULT_MEMORY = 64,      /* SQLite asks */
    FAULT_OWN_MEMORY = 128, /* the bank itself asks, by the functions below */
};

/* The n-th call from now of the kinds fails, and `more` calls behind it. n = 0: none fails, but
 * they are counted. */
void    fault_arm(unsigned kinds, int64_t n, int64_t more);
void    fault_disarm(void);
int64_t fault_calls(void); /* of the armed kinds since they were armed */
int64_t fault_fired(void);

/* No write may make the files together larger than this; 0 = no bound. */
void    fault_disk_limit(int64_t bytes);
int64_t fault_disk_size(void);
int64_t fault_disk_refusals(void); /* writes that did not fit, since the disk was loaded */

/* Called before each sync (or, with `writes`, before each write too); NULL = no more. */
void fault_watch(void (*before)(void *context), void *context, bool writes);

/* --- memory of the bank's own ----------------------------------------------------------------- */

/* The C library's functions, which may refuse. A program whose copies of the bank's archives call
 * these instead (the Makefile renames them, for test_nth) has this seam, and no production code
 * knows of it. */
void *fault_malloc(size_t n);
void *fault_calloc(size_t n, size_t size);
void *fault_realloc(void *at, size_t n);
void *fault_aligned_alloc(size_t alignment, size_t n);

#endif
