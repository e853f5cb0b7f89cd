/* Stories with a known end: what happens on some accounts, and what the shipped rules say to it.
 *
 * A file of tests/fraud/scenarios holds events, one in a line, and behind each, indented, the
 * verdict and its reasons. The test plays the events and compares the whole text. With
 * BANK_REFRESH=1 in the environment it writes the files anew instead; look at the difference before
 * you believe it.
 *
 *   account NAME opened DAY           parties need no line
 *   TIME deposit|withdrawal ACCOUNT AMOUNT [x COUNT every NUMBER s|m|h|d]
 *   TIME transfer|payment ACCOUNT OTHER AMOUNT [...]
 *   TIME income ACCOUNT OTHER AMOUNT [...]         a transfer that arrives
 *   finding OTHER fraud|honest known TIME           of one payment to it
 *
 * Completed events move the balances; a held one does not, and a repeated one ends in a count. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"
#include "tests/fraud/shipped.h"

#define FOLDER "tests/fraud/scenarios"

enum { ENTITIES_MAX = 64, TEXT_MAX = 64 * 1024, NAME_SIZE = 32 };

struct entity {
    char                 name[NAME_SIZE];
    bool                 account;
    int64_t              opened_at_us;
    int64_t              balance;
    struct fraud_profile profile;
};

struct world {
    const struct fraud_rules *rules;
    struct entity             entities[ENTITIES_MAX];
    size_t                    entity_count;
    char                      out[TEXT_MAX];
    size_t                    used;
};

struct act {
    char    type[NAME_SIZE];
    int64_t at_us;
    int64_t amount;
    size_t  subject;
    size_t  other; /* SIZE_MAX for none */
    long    times;
    int64_t every_us;
};

static void say(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct world *world, const char *format, ...)
{
    va_list arguments;
    int     n;

    va_start(arguments, format);
    n = vsnprintf(world->out + world->used, TEXT_MAX - world->used, format, arguments);
    va_end(arguments);
    assert_true(n >= 0 && (size_t)n < TEXT_MAX - world->used);
    world->used += (size_t)n;
}

static int64_t time_of(const char *text)
{
    int64_t at_us = 0;

    if (time_parse(text, strlen(text), &at_us) != ERR_none)
        fail_msg("%s is no time", text);
    return at_us;
}

static int64_t money_of(const char *text)
{
    int64_t minor = 0;

    if (money_parse(text, strlen(text), 2, '.', &minor) != ERR_none)
        fail_msg("%s is no amount", text);
    return minor;
}

static size_t entity_of(struct world *world, const char *name)
{
    size_t i = 0;

    while (i < world->entity_count && strcmp(world->entities[i].name, name) != 0)
        i++;
    if (i == world->entity_count) {
        assert_true(world->entity_count++ < ENTITIES_MAX);
        world->entities[i] = (struct entity){ .account = false };
        slice_copy(slice_from(name), world->entities[i].name, NAME_SIZE);
        fraud_profile_init(&world->entities[i].profile);
    }
    return i;
}

/* --- playing --------------------------------------------------------------------------------- */

static int32_t type_of(const char *word)
{
    int32_t type = TYPE_TRANSFER;

    if (strcmp(word, "income") != 0 &&
        enum_parse(&enum_transaction_type, slice_from(word), &type) != ERR_none)
        fail_msg("%s is nothing that happens", word);
    return type;
}

static void settle(struct world *world, const struct act *act, struct fraud_event *event)
{
    struct entity *subject = &world->entities[act->subject];
    int64_t        subject_id = (int64_t)act->subject + 1;

    fraud_observe(&subject->profile, event, FRAUD_SUBJECT, event->counterparty);
    if (event->status == STATUS_COMPLETED)
        subject->balance += event->incoming ? event->amount : -event->amount;
    if (act->other == SIZE_MAX)
        return;
    fraud_observe(&world->entities[act->other].profile, event, FRAUD_COUNTERPARTY, subject_id);
    if (event->status == STATUS_COMPLETED)
        world->entities[act->other].balance += event->incoming ? -event->amount : event->amount;
}

static void play(struct world *world, const struct act *act, int64_t at_us,
                 struct fraud_verdict *verdict)
{
    const struct entity *subject = &world->entities[act->subject];
    const struct entity *other = act->other != SIZE_MAX ? &world->entities[act->other] : NULL;
    struct fraud_event   event = {
          .at_us = at_us,
          .amount = act->amount,
          .unit = 100,
          .type = type_of(act->type),
          .incoming = strcmp(act->type, "deposit") == 0 || strcmp(act->type, "income") == 0,
          .balance = subject->balance,
          .opened_at_us = subject->opened_at_us,
          .counterparty = other != NULL ? (int64_t)act->other + 1 : 0,
          .counterparty_internal = other != NULL && other->account,
    };

    fraud_judge(world->rules, &subject->profile, other != NULL ? &other->profile : NULL, &event,
                true, verdict);
    event.status = verdict->verdict == VERDICT_APPROVE ? STATUS_COMPLETED
                   : verdict->verdict == VERDICT_HOLD  ? STATUS_HELD
                                                       : STATUS_DECLINED;
    settle(world, act, &event);
}

static void play_line(struct world *world, const struct act *act)
{
    static struct fraud_verdict verdict;
    long                        counts[4] = { 0 };
    long                        alerts = 0;

    for (long i = 0; i < act->times; i++) {
        play(world, act, act->at_us + i * act->every_us, &verdict);
        counts[verdict.verdict]++;
        alerts += verdict.alert;
    }
    if (act->times > 1) {
        say(world, "    %ld approved, %ld held, %ld declined, %ld alerts\n",
            counts[VERDICT_APPROVE], counts[VERDICT_HOLD], counts[VERDICT_DECLINE], alerts);
        return;
    }
    say(world, "    %s, score %d%s\n", enum_text(&enum_verdict, verdict.verdict), verdict.score,
        verdict.alert ? ", alert" : "");
    for (size_t i = 0; i < verdict.reason_count; i++)
        say(world, "    %4d %s: %s\n", verdict.reasons[i].points,
            fraud_rules_name(world->rules, verdict.reasons[i].rule), verdict.reasons[i].text);
}

/* --- reading --------------------------------------------------------------------------------- */

static int64_t period_of(long number, char unit)
{
    return number * (unit == 's'   ? US_PER_SECOND
                     : unit == 'm' ? US_PER_MINUTE
                     : unit == 'h' ? US_PER_HOUR
                                   : US_PER_DAY);
}

static void read_act(struct world *world, const char *line)
{
    struct act  act = { .times = 1, .other = SIZE_MAX };
    char        at[NAME_SIZE];
    char        subject[NAME_SIZE];
    char        words[2][NAME_SIZE];
    const char *repeat = strstr(line, " x ");
    long        number = 0;
    char        unit = 'd';
    int         n;
    bool        cash;

    n = sscanf(line, "%31s %31s %31s %31s %31s", at, act.type, subject, words[0], words[1]);
    cash = n >= 4 && (strcmp(act.type, "deposit") == 0 || strcmp(act.type, "withdrawal") == 0);
    if (n < (cash ? 4 : 5))
        fail_msg("this line is too short: %s", line);
    act.at_us = time_of(at);
    act.subject = entity_of(world, subject);
    if (!cash)
        act.other = entity_of(world, words[0]);
    act.amount = money_of(words[cash ? 0 : 1]);
    if (repeat != NULL && sscanf(repeat, " x %ld every %ld %c", &act.times, &number, &unit) != 3)
        fail_msg("this line ends badly: %s", line);
    act.every_us = period_of(number, unit);
    play_line(world, &act);
}

static void read_line(struct world *world, const char *line)
{
    char name[NAME_SIZE];
    char word[NAME_SIZE];
    char day[NAME_SIZE];

    if (line[0] == ' ')
        return; /* what was expected */
    say(world, "%s\n", line);
    if (line[0] == '#' || line[0] == '\0')
        return;
    if (sscanf(line, "finding %31s %31s known %31s", name, word, day) == 3) {
        assert_true(strcmp(word, "fraud") == 0 || strcmp(word, "honest") == 0);
        fraud_observe_label(&world->entities[entity_of(world, name)].profile, time_of(day),
                            strcmp(word, "fraud") == 0);
        return;
    }
    if (sscanf(line, "account %31s opened %31s", name, day) == 2) {
        struct entity *entity = &world->entities[entity_of(world, name)];

        entity->account = true;
        entity->opened_at_us = time_of(day);
        return;
    }
    read_act(world, line);
}

static void load(const char *path, char text[TEXT_MAX])
{
    FILE  *file = fopen(path, "rb");
    size_t n;

    assert_non_null(file);
    n = fread(text, 1, TEXT_MAX - 1, file);
    fclose(file);
    text[n] = '\0';
}

/* Shows the first line that differs. */
static void show_difference(const char *path, const char *expected, const char *got)
{
    size_t same = 0;
    int    line = 1;

    while (expected[same] != '\0' && expected[same] == got[same])
        same++;
    while (same > 0 && got[same - 1] != '\n')
        same--;
    for (size_t i = 0; i < same; i++)
        line += got[i] == '\n';
    print_error("%s:%d: expected %.*s\n    got %.*s\n", path, line,
                (int)strcspn(expected + same, "\n"), expected + same,
                (int)strcspn(got + same, "\n"), got + same);
    print_error("To take the new ending: BANK_REFRESH=1 BUILD/tests/fraud/test_scenarios\n");
}

static bool run_file(const struct fraud_rules *rules, const char *path)
{
    static char         expected[TEXT_MAX];
    static struct world world;
    const char         *refresh = getenv("BANK_REFRESH");

    world.rules = rules;
    world.entity_count = 0;
    world.used = 0;
    load(path, expected);
    for (const char *at = expected; *at != '\0';) {
        char   line[256];
        size_t n = strcspn(at, "\n");

        assert_true(n < sizeof line);
        slice_copy(slice_of(at, n), line, sizeof line);
        read_line(&world, line);
        at += n + (at[n] == '\n' ? 1 : 0);
    }
    if (strcmp(world.out, expected) == 0)
        return true;
    if (refresh != NULL && refresh[0] == '1') {
        FILE *file = fopen(path, "wb");

        assert_non_null(file);
        assert_int_equal(fwrite(world.out, 1, world.used, file), world.used);
        fclose(file);
        return true;
    }
    show_difference(path, expected, world.out);
    return false;
}

static void test_stories_end_as_written(void **state)
{
    struct fraud_rules *rules = shipped_rules();
    struct dirent     **names = NULL;
    int                 count = scandir(FOLDER, &names, NULL, alphasort);
    int                 played = 0;
    bool                good = true;

    (void)state;
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char path[512];

        snprintf(path, sizeof path, FOLDER "/%s", names[i]->d_name);
        if (strstr(names[i]->d_name, ".txt") != NULL) {
            good = run_file(rules, path) && good;
            played++;
        }
        free(names[i]);
    }
    free(names);
    fraud_rules_free(&rules);
    assert_true(played >= 5);
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories_end_as_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
