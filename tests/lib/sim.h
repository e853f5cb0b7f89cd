/* A whole bank in one thread: clients, a bad network, sessions, operations, writer, fraud engine
 * and store on a disk in memory, beside a plain model of what must be true. Everything is
 * drawn from one seed, so a seed that fails, fails again in the same way.
 *
 * Clients post, reverse, freeze, decide, ask, work on alerts from the queue and on cases, set
 * lists, suppressions, holds, the safety valve and the alert budget, and propose and approve rules,
 * which judge from then on; they log in with right and wrong passwords, and out, and try what they
 * may not. They repeat with the same ids until they are answered or give up, and then look the
 * outcome up. The network drops, doubles, delays and reorders what they and the bank say. The disk
 * is full now and then, the power fails between two commits or within one, hours pass and holds
 * expire, rules are stepped down, and labels come in. The model takes each request in the order in
 * which the bank plans it and knows nothing but amounts; it says what the answer must be. After
 * every few steps the accounts are compared, and after crashes and at the end everything is proved
 * (bankd/verify.h).
 *
 * A violation prints the seed and the step and ends the process. */
#ifndef TESTS_LIB_SIM_H
#define TESTS_LIB_SIM_H

#include <stdint.h>

struct sim_figures {
    int64_t  operations; /* finished by clients, with an answer or a looked-up outcome */
    int64_t  posts;      /* done for the first time */
    int64_t  repeats;    /* answered from the first result */
    int64_t  refusals;
    int64_t  lookups; /* outcomes that were looked up */
    int64_t  messages, dropped, doubled;
    int64_t  commits, commits_failed;
    int64_t  crashes, crashes_within;  /* a commit */
    int64_t  reversed, frozen, alerts; /* done: reversals, freezes and their ends, acts on alerts */
    int64_t  expired;                  /* holds and freezes */
    int64_t  rules, steered, cases;    /* done: on versions, on lists and settings, on cases */
    int64_t  approved, undone;         /* versions put into force, decisions taken back */
    int64_t  seconded, restored;       /* entries by a second person, rules that were down */
    int64_t  stepped, moved;           /* rules stepped down, thresholds moved, by the system */
    int64_t  labels;                   /* from elsewhere */
    int64_t  sessions, logouts, denied; /* opened, ended by their users, acts of another role */
    int64_t  proofs;
    uint64_t digest; /* of all that the bank answered: two runs of a seed have the same */
};

/* Must come before anything else uses SQLite or libsodium. */
void sim_start(void);
/* One bank's life until its clients have done so many operations. */
void sim_run(uint64_t seed, int64_t operations, struct sim_figures *figures);
void sim_add(struct sim_figures *sum, const struct sim_figures *more);

#endif
