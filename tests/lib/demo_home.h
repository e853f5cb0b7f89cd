/* A bank on disk with the demo data in it, in a folder of its own under the system's place for
 * temporary files, made the way `bankd init --demo` makes one. Whatever must not fail is a CHECK.
 */
#ifndef TESTS_LIB_DEMO_HOME_H
#define TESTS_LIB_DEMO_HOME_H

#include "bankd/demo.h"

/* 2026-03-18 15:30 UTC: a plain Wednesday. */
#define DEMO_HOME_END_US INT64_C(1773847800000000)

struct demo_home {
    char               folder[64];
    struct conf        conf;
    struct home        home;
    struct writer     *writer;
    struct demo_report report;
};

/* The bank is open for writing until demo_home_shut; its files stay until demo_home_remove. */
void demo_home_make(struct demo_home *demo, uint64_t seed);
/* With a history that ends at another time than DEMO_HOME_END_US. */
void demo_home_make_at(struct demo_home *demo, uint64_t seed, int64_t end_us);
void demo_home_shut(struct demo_home *demo);
void demo_home_remove(struct demo_home *demo);

#endif
