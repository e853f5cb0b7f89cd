/* See demo_home.h. */
#include "tests/lib/demo_home.h"

#include "bankd/options.h"
#include "common/check.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void demo_home_make_at(struct demo_home *demo, uint64_t seed, int64_t end_us)
{
    char         flag[96];
    char         name[] = "test";
    char        *argv[] = { name, flag, NULL };
    int          argc = 2;
    struct fault fault = { 0 };

    memset(demo, 0, sizeof *demo);
    snprintf(demo->folder, sizeof demo->folder, "/tmp/bank-test-XXXXXX");
    CHECK(mkdtemp(demo->folder) != NULL);
    snprintf(flag, sizeof flag, "--data-dir=%s/data", demo->folder);
    CHECK(options_load(&demo->conf, &argc, argv, &fault) == ERR_none);
    CHECK(home_create(&demo->conf, &fault) == ERR_none);
    CHECK(home_open(&demo->conf, STORE_WRITE, true, &demo->home, &fault) == ERR_none);
    CHECK(home_writer(&demo->home, clock_system(), &demo->writer, &fault) == ERR_none);
    CHECK(demo_fill(&demo->home, demo->writer, seed, end_us, &demo->report, &fault) == ERR_none);
}

void demo_home_make(struct demo_home *demo, uint64_t seed)
{
    demo_home_make_at(demo, seed, DEMO_HOME_END_US);
}

void demo_home_shut(struct demo_home *demo)
{
    if (demo->writer == NULL)
        return;
    writer_close(&demo->writer);
    home_close(&demo->home);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

void demo_home_remove(struct demo_home *demo)
{
    demo_home_shut(demo);
    nftw(demo->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
