/* Boxes for operations whose fields need no knowledge of their own: each field of the request is a
 * line of the form, with the words of the protocol's tables. Texts too long for a line (rules) are
 * read from a file that the user names, when the box is reviewed. */
#include "bankterm/screens/act.h"
#include "bankterm/screens/screens.h"
#include "bankterm/values.h"
#include "common/clock.h"
#include "common/money.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_FROM = 8192, /* a text that may be so long comes from a file */
    PATH_TEXT_MAX = 500,
    SHARE_DECIMALS = 2,
    ARENA_SIZE = 2 * LIMIT_RULES_FILE_MAX + 65536,
};

static const struct enum_value truth_values[] = {
    { 1, "yes", "Yes" },
    { 2, "no", "No" },
};

static const struct enum_desc enum_truth = { "truth", "Yes or no", truth_values, 2 };

static bool is_file(const struct field_desc *field)
{
    return field->type == FIELD_TEXT && field->limit >= FILE_FROM;
}

/* Basis points on the wire, but a person thinks in percent. */
static bool is_share(const struct field_desc *field)
{
    static const char end[] = "_bp";
    size_t            n = strlen(field->name);
    return field->type == FIELD_INT && n > sizeof end - 1 &&
           strcmp(field->name + n - (sizeof end - 1), end) == 0;
}

static const struct message_desc *request_of(const struct act *act)
{
    return op_rows[act->op].request;
}

struct act *operate_begin(struct app *app, enum action action, enum op_index op, const char *title)
{
    struct act *act = (struct act *)app_push(app, &screen_act, "");
    if (act == NULL)
        return NULL;
    act->action = action;
    act->generic = true;
    act->op = op;
    act->title = title;
    return act;
}

void operate_fact(struct act *act, const char *label, struct slice text)
{
    if (act->fact_count == ACT_FACTS_MAX)
        return;
    struct act_fact *fact = &act->facts[act->fact_count++];
    fact->label = label;
    slice_copy(text, fact->text, sizeof fact->text);
}

void operate_fix(struct act *act, const char *field, const char *text)
{
    if (act->fixed_count == ACT_FIXED_MAX)
        return;
    struct act_fixed *fixed = &act->fixed[act->fixed_count++];
    fixed->field = field;
    snprintf(fixed->text, sizeof fixed->text, "%s", text);
}

static bool is_fixed(const struct act *act, const char *field)
{
    for (int i = 0; i < act->fixed_count; i++) {
        if (strcmp(act->fixed[i].field, field) == 0)
            return true;
    }
    return false;
}

void operate_preset(struct act *act, const char *field, const char *text)
{
    struct form_field *line = form_find(&act->form, field);
    if (line != NULL && line->kind != FORM_CHOICE)
        form_set(line, text);
    for (size_t i = 0; line != NULL && line->kind == FORM_CHOICE && i < line->choice->count; i++) {
        if (strcmp(line->choice->values[i].text, text) == 0)
            line->number = line->choice->values[i].number;
    }
}

void operate_label(struct act *act, const char *field, const char *label)
{
    struct form_field *line = form_find(&act->form, field);
    if (line != NULL)
        line->label = label;
}

/* "until" is called "Until"; the label lives as long as the box. */
static const char *label_of(struct act *act, const struct field_desc *field)
{
    const char *name = field->name;
    bool        share = is_share(field);
    char       *label = arena_take(&act->arena, strlen(name) + 1);
    if (label == NULL)
        return name;
    for (size_t i = 0; name[i] != '\0'; i++)
        label[i] = name[i] == '_' ? ' ' : name[i];
    label[0] = (char)toupper((unsigned char)label[0]);
    if (share)
        *strrchr(label, ' ') = '\0';
    return label;
}

/* The same sentence about percent. */
static const char *help_of_share(struct act *act, const struct field_desc *field)
{
    static const char points[] = "basis points";
    static const char percent[] = "percent";
    const char       *at = strstr(field->help, points);
    char             *help = at != NULL ? arena_take(&act->arena, strlen(field->help) + 1) : NULL;
    if (help == NULL)
        return field->help;
    snprintf(help, strlen(field->help) + 1, "%.*s%s%s", (int)(at - field->help), field->help,
             percent, at + sizeof points - 1);
    return help;
}

/* What is to be typed; lives as long as the box. */
static const char *help_of(struct act *act, const struct field_desc *field)
{
    static const char path[] = "Path of a file: ";
    if (is_share(field))
        return help_of_share(act, field);
    size_t size = sizeof path + strlen(field->help);
    char  *help = is_file(field) ? arena_take(&act->arena, size) : NULL;
    if (help == NULL)
        return field->help;
    snprintf(help, size, "%s%s", path, field->help);
    help[sizeof path - 1] = (char)tolower((unsigned char)help[sizeof path - 1]);
    return help;
}

static void add_line(struct act *act, const struct field_desc *field)
{
    const char        *label = label_of(act, field);
    struct form_field *line;
    size_t             max = PATH_TEXT_MAX;
    enum form_kind     kind = FORM_TEXT;
    if (field->type == FIELD_CHOICE || field->type == FIELD_BOOL) {
        line = form_add_choice(&act->form, field->name, label,
                               field->type == FIELD_BOOL ? &enum_truth : field->choice,
                               field->type == FIELD_BOOL ? field->help : "");
    } else {
        if (field->type == FIELD_TEXT && !is_file(field) && field->limit < PATH_TEXT_MAX)
            max = (size_t)field->limit;
        if (field->type == FIELD_MONEY)
            kind = FORM_AMOUNT;
        if (field->type == FIELD_TIME)
            kind = FORM_DATE;
        line = form_add(&act->form, field->name, label, kind, kind == FORM_TEXT ? max : 24,
                        help_of(act, field));
    }
    line->required = (field->flags & REQUIRED) != 0;
}

void operate_ready(struct act *act)
{
    const struct message_desc *desc = request_of(act);
    if (!act->has_arena) {
        if (arena_init(&act->arena, ARENA_SIZE) != ERR_none) {
            app_notice(act->screen.app, STYLE_BAD, "%s", err_what(ERR_memory));
            return;
        }
        act->has_arena = true;
    }
    for (size_t i = 0; i < desc->count && act->form.count < FORM_FIELDS_MAX; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (field->type != FIELD_LIST && !is_fixed(act, field->name))
            add_line(act, field);
    }
    if (act->form.count == 0)
        act->stage = ACT_REVIEW;
}

void operate_free(struct act *act)
{
    if (act->has_arena)
        arena_free(&act->arena);
    act->has_arena = false;
}

/* --- from the form to the message ------------------------------------------------------------ */

static bool wrong(struct act *act, struct form_field *line, const char *text)
{
    snprintf(line->error, sizeof line->error, "%.180s", text);
    act->form.focus = (int)(line - act->form.fields);
    return false;
}

/* The whole file as a text of the message. */
static bool set_file(struct act *act, void *body, struct form_field *line,
                     const struct field_desc *field)
{
    struct stat stat;
    int         file = open(line->value, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool        done = false;
    if (file < 0)
        return wrong(act, line, "There is no such file, or it may not be read");
    if (fstat(file, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        wrong(act, line, "This is not a file");
    } else if (stat.st_size == 0 || stat.st_size > field->limit) {
        wrong(act, line, "The file is empty or too large");
    } else {
        size_t  size = (size_t)stat.st_size;
        char   *text = arena_take(&act->arena, size);
        ssize_t n = text != NULL ? read(file, text, size) : -1;
        done = n == (ssize_t)size;
        if (done)
            message_set_bytes(request_of(act), body, field->name, slice_of(text, size));
        else
            wrong(act, line, "The file could not be read whole");
    }
    close(file);
    return done;
}

/* "2.5 %" and "2.5" are 250 basis points. */
static bool share_of(struct slice text, int64_t *basis_points)
{
    while (text.n > 0 && (text.at[text.n - 1] == ' ' || text.at[text.n - 1] == '%'))
        text.n--;
    return money_parse(text.at, text.n, SHARE_DECIMALS, '.', basis_points) == ERR_none &&
           *basis_points >= 0;
}

static bool set_line(struct act *act, void *body, struct form_field *line)
{
    const struct message_desc *desc = request_of(act);
    const struct field_desc   *field = values_field(desc, slice_from(line->name));
    struct slice               text = slice_of(line->value, line->n);
    struct fault               fault = { 0 };
    uint8_t                    exponent = VALUES_EXPONENT_DEFAULT;
    int64_t                    moment;
    if (line->kind == FORM_CHOICE && line->number == 0)
        return true;
    if (line->kind == FORM_CHOICE)
        text = slice_from(field->type == FIELD_BOOL ? (line->number == 1 ? "true" : "false")
                                                    : form_choice(line));
    if (text.n == 0)
        return true;
    if (is_file(field))
        return set_file(act, body, line, field);
    if (field->type == FIELD_TIME) {
        if (!values_moment(text, app_now_us(act->screen.app), &moment))
            return wrong(act, line, "Such as 2h, 3d or 2026-12-31");
        message_set_int(desc, body, field->name, moment);
        return true;
    }
    if (is_share(field)) {
        if (!share_of(text, &moment) || (field->limit > 0 && moment > field->limit))
            return wrong(act, line, "A share in percent, such as 2.5");
        message_set_int(desc, body, field->name, moment);
        return true;
    }
    (void)values_exponent(desc, body, &exponent);
    if (values_set(desc, body, slice_from(field->name), text, exponent, &act->arena, &fault) !=
        ERR_none)
        return wrong(act, line, fault.text[0] != '\0' ? fault.text : err_what(fault.err));
    return true;
}

bool operate_fill(struct act *act, void *body)
{
    const struct message_desc *desc = request_of(act);
    struct fault               fault = { 0 };
    memset(body, 0, desc->size);
    for (int i = 0; i < act->fixed_count; i++) {
        if (act->fixed[i].text[0] == '\0')
            continue; /* neither told nor asked for */
        if (values_set(desc, body, slice_from(act->fixed[i].field), slice_from(act->fixed[i].text),
                       VALUES_EXPONENT_DEFAULT, &act->arena, &fault) != ERR_none)
            snprintf(act->error, sizeof act->error, "%s: %s", fault.field, err_what(fault.err));
    }
    for (int i = 0; i < act->form.count; i++) {
        if (!set_line(act, body, &act->form.fields[i]))
            return false;
    }
    return true;
}
