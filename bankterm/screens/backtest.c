/* A back test: what candidate rules would have done with stored history. The form asks what to try;
 * this screen tells how far the work is, ends it when asked to, and shows what came out. */
#include "bankterm/app.h"
#include "bankterm/screens/act.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/widgets/chart.h"
#include "bankterm/widgets/panels.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WORK_LIMIT_MS = 3600 * 1000, TEXT_MAX = 320, LINE_LINES = 8, BAR_WIDTH = 50 };

struct backtest {
    struct screen screen;
    uint64_t      ticket; /* of the work; 0 when it is done */
    int64_t       done;
    int64_t       total;
    bool          ending; /* asked to end */
    char          typed[ACT_TYPED_MAX];
    struct record answer;
    char          error[LIMIT_DETAIL_MAX];
    struct panels panels;
};

static struct backtest *backtest_of(struct screen *screen)
{
    return (struct backtest *)screen;
}

static const struct msg_backtest *answer_of(const struct backtest *test)
{
    return test->answer.body;
}

/* --- figures -------------------------------------------------------------------------------- */

static int line(struct canvas *canvas, struct rect rect, int y, const char *label, const char *text)
{
    canvas_string(canvas, rect.x, y, 22, STYLE_LABEL, label);
    int lines = canvas_paragraph(canvas, (struct rect){ rect.x + 23, y, rect.w - 23, LINE_LINES },
                                 STYLE_VALUE, slice_from(text));
    return y + (lines > 0 ? lines : 1);
}

static int line_count(struct canvas *canvas, struct rect rect, int y, const char *label,
                      int64_t count)
{
    char text[32];
    return line(canvas, rect, y, label, show_count(count, text, sizeof text));
}

/* Millionths as a decimal of four places. */
static int line_ppm(struct canvas *canvas, struct rect rect, int y, const char *label, bool known,
                    int64_t ppm)
{
    char text[32];
    if (!known)
        return line(canvas, rect, y, label, "nothing to measure");
    snprintf(text, sizeof text, "%" PRId64 ".%04" PRId64, ppm / 1000000, ppm % 1000000 / 100);
    return line(canvas, rect, y, label, text);
}

static int draw_figures(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct backtest     *test = context;
    const struct msg_backtest *answer = answer_of(test);
    char                       text[TEXT_MAX];
    int                        y = rect.y;
    y = line(canvas, rect, y, "Tested", slice_copy(answer->candidate, text, sizeof text));
    y = line(canvas, rect, y, "Asked for", test->typed);
    snprintf(text, sizeof text, "%" PRId64 ".%02" PRId64, answer->alerts_per_day_x100 / 100,
             answer->alerts_per_day_x100 % 100);
    y = line_count(canvas, rect, y, "Payments judged", answer->judged);
    y = line_count(canvas, rect, y, "of them with a finding", answer->labelled);
    y = line_count(canvas, rect, y, "Days", answer->days);
    y = line(canvas, rect, y, "Alerts a day", text);
    y = line(canvas, rect, y, "Precision of alerts",
             MSG_HAS(answer, backtest, precision_bp)
                 ? show_share(answer->precision_bp, text, sizeof text)
                 : "no alert has a finding");
    y = line_ppm(canvas, rect, y, "AUC ROC", MSG_HAS(answer, backtest, auc_roc_ppm),
                 answer->auc_roc_ppm);
    y = line_ppm(canvas, rect, y, "Average precision",
                 MSG_HAS(answer, backtest, average_precision_ppm), answer->average_precision_ppm);
    snprintf(text, sizeof text, "Card precision@%" PRId64, answer->cards);
    y = line_ppm(canvas, rect, y, text, MSG_HAS(answer, backtest, card_precision_ppm),
                 answer->card_precision_ppm);
    y = line_count(canvas, rect, y, "measured on payments", answer->measured);
    y = line_count(canvas, rect, y, "with frauds", answer->measured_frauds);
    y = line_count(canvas, rect, y, "Payments a second", answer->payments_per_second);
    return y - rect.y;
}

static int draw_money(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct msg_backtest *answer = answer_of(context);
    int                        y = rect.y;
    for (size_t i = 0; i < answer->lines.count; i++) {
        const struct msg_backtest_line *of = &answer->lines.at[i];
        char                            name[40];
        char                            words[SHOW_WORDS_MAX];
        char                            count[32];
        slice_copy(of->name, name, sizeof name);
        canvas_string(canvas, rect.x, y, 22, STYLE_LABEL, show_words(name, words));
        canvas_right(canvas, rect.x + 23, y, 10, STYLE_VALUE,
                     show_count(of->count, count, sizeof count));
        int lines = 0;
        for (size_t m = 0; m < of->money.count; m++) {
            char sum[64];
            if (of->money.at[m].amount == 0)
                continue;
            show_sum(of->money.at[m].amount, of->money.at[m].currency, sum, sizeof sum);
            canvas_right(canvas, rect.x + 34, y + lines++, 24, STYLE_TEXT, sum);
        }
        y += lines > 0 ? lines : 1;
    }
    return y - rect.y;
}

static int draw_changes(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct msg_backtest *answer = answer_of(context);
    int                        y = rect.y;
    if (answer->changes_total == 0) {
        canvas_string(canvas, rect.x, y++, rect.w, STYLE_DIM, "No alert is gained or lost.");
        return y - rect.y;
    }
    canvas_print(
        canvas, rect.x, y++, rect.w, STYLE_DIM,
        "%" PRId64 " alerts are gained or lost; the first of them:", answer->changes_total);
    for (size_t i = 0; i < answer->changes.count; i++, y++) {
        const struct msg_backtest_change *change = &answer->changes.at[i];
        char                              minute[32];
        char                              sum[64];
        char                              id[UUID_TEXT_MAX];
        bool                              known = MSG_HAS(change, backtest_change, fraud);
        show_sum(change->amount, change->currency, sum, sizeof sum);
        canvas_print(canvas, rect.x, y, rect.w, change->gained ? STYLE_GOOD : STYLE_BAD,
                     "%c %s %18s %4d > %-4d %-6s %s", change->gained ? '+' : '-',
                     show_minute(change->timestamp, minute, sizeof minute), sum,
                     (int)change->score_then, (int)change->score,
                     !known          ? ""
                     : change->fraud ? "fraud"
                                     : "good",
                     uuid_text(&change->transaction_id, id));
    }
    return y - rect.y;
}

/* --- the screen ----------------------------------------------------------------------------- */

void backtest_run(struct app *app, const void *body, const char *typed)
{
    struct fault     fault = { 0 };
    struct screen   *screen = app_push(app, &screen_backtest, "");
    struct backtest *test = backtest_of(screen);
    if (screen == NULL)
        return;
    snprintf(test->typed, sizeof test->typed, "%s",
             typed[0] != '\0' ? typed : "the version in force, on all payments");
    test->ticket = app_ask(screen, OP_INDEX_rules_backtest, body, WORK_LIMIT_MS, &fault);
    if (test->ticket == 0)
        snprintf(test->error, sizeof test->error, "%s",
                 fault.text[0] != '\0' ? fault.text : err_what(fault.err));
}

void backtest_ask(struct app *app, struct slice hash)
{
    char        text[80];
    struct act *act = operate_begin(app, ACTION_backtest, OP_INDEX_rules_backtest, "Back test");
    if (act == NULL)
        return;
    act->hand_over = backtest_run;
    operate_fact(act, "Files", slice_from("What is left empty is as it is in force"));
    operate_ready(act);
    operate_label(act, "rules", "Rules, file");
    operate_label(act, "scorecard", "Scorecard, file");
    operate_label(act, "known_from", "Known from");
    operate_label(act, "cards", "Accounts a day");
    operate_label(act, "limit", "Changes told");
    if (hash.n > 0)
        operate_preset(act, "hash", show_hex(hash, text, sizeof text));
}

static void backtest_open(struct screen *screen, const char *argument)
{
    struct backtest *test = backtest_of(screen);
    (void)argument;
    panels_add(&test->panels, "Figures", 0, 0, draw_figures);
    panels_add(&test->panels, "Money", 1, 1, draw_money);
    panels_add(&test->panels, "Changes", 1, 2, draw_changes);
}

static void backtest_close(struct screen *screen)
{
    record_free(&backtest_of(screen)->answer);
}

static void backtest_result(struct screen *screen, const struct net_result *result)
{
    struct backtest *test = backtest_of(screen);
    if (result->ticket != test->ticket)
        return;
    test->ticket = 0;
    if (result->kind == NET_FAILURE)
        result_text(result, test->error, sizeof test->error);
    else if (record_keep(&test->answer, &message_backtest, result->body) != ERR_none)
        snprintf(test->error, sizeof test->error, "%s", err_what(ERR_memory));
}

static void backtest_event(struct screen *screen, const struct net_result *result)
{
    struct backtest             *test = backtest_of(screen);
    const struct msg_event_work *work = result->body;
    if (result->kind != NET_EVENT || result->event != EVENT_INDEX_work ||
        work->request_id != (int64_t)test->ticket)
        return;
    test->done = work->done;
    test->total = work->total;
}

/* Esc ends the work first, and leaves the screen once it has ended. */
static bool backtest_act(struct screen *screen, enum action action, const char *argument)
{
    struct backtest    *test = backtest_of(screen);
    struct msg_work_ref ref = { .request_id = (int64_t)test->ticket };
    struct fault        fault = { 0 };
    (void)argument;
    if (action == ACTION_back && test->ticket != 0 && !test->ending) {
        test->ending = app_ask(screen, OP_INDEX_work_cancel, &ref, APP_DEADLINE_MS, &fault) != 0;
        return test->ending;
    }
    return test->answer.body != NULL && panels_act(&test->panels, action);
}

static void draw_progress(const struct backtest *test, struct canvas *canvas, struct rect rect)
{
    char done[32];
    char total[32];
    int  width = rect.w - 4 < BAR_WIDTH ? rect.w - 4 : BAR_WIDTH;
    int  y = rect.y + 2;
    canvas_string(canvas, rect.x + 2, y, rect.w - 4, STYLE_TEXT,
                  test->ending ? "Ending ..." : "At work. Esc ends it.");
    canvas_cursor(canvas, rect.x + 2, y);
    y += 2;
    y += canvas_paragraph(canvas, (struct rect){ rect.x + 2, y, rect.w - 4, LINE_LINES }, STYLE_DIM,
                          slice_from(test->typed));
    if (test->total > 0) {
        canvas_print(canvas, rect.x + 2, y + 1, rect.w - 4, STYLE_TEXT, "%s of %s payments",
                     show_count(test->done, done, sizeof done),
                     show_count(test->total, total, sizeof total));
        bar_draw(canvas, rect.x + 2, y + 2, width, STYLE_CHART, test->done, test->total);
    }
}

static void backtest_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct backtest *test = backtest_of(screen);
    if (test->answer.body != NULL) {
        panels_draw(&test->panels, test, canvas, rect);
        return;
    }
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Back test", "");
    if (test->ticket != 0)
        draw_progress(test, canvas, rect);
    else
        canvas_paragraph(canvas, (struct rect){ rect.x + 2, rect.y + 2, rect.w - 4, 8 }, STYLE_BAD,
                         slice_from(test->error));
}

const struct screen_ops screen_backtest = {
    .name = "backtest",
    .title = "Back test",
    .size = sizeof(struct backtest),
    .places = IN_ANY | IN_TEXT | IN_PANELS,
    .open = backtest_open,
    .close = backtest_close,
    .result = backtest_result,
    .event = backtest_event,
    .act = backtest_act,
    .draw = backtest_draw,
};
