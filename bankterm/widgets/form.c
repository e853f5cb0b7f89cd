/* Editing of one line of UTF-8 at a time. Cursor positions are bytes and always stand between
 * characters. A value longer than its box scrolls so that the cursor is seen. */
#include "bankterm/widgets/form.h"

#include "bankterm/keys.h"
#include "bankterm/show.h"
#include "common/check.h"

#include <stdio.h>
#include <string.h>

enum { LABEL_WIDTH = 16, NOTE_WIDTH = 27, VALUE_LEAST = 8 };

struct form_field *form_add(struct form *form, const char *name, const char *label,
                            enum form_kind kind, size_t max, const char *help)
{
    CHECK(form->count < FORM_FIELDS_MAX && max < FORM_VALUE_MAX);
    struct form_field *field = &form->fields[form->count++];
    *field =
        (struct form_field){ .name = name, .label = label, .kind = kind, .max = max, .help = help };
    return field;
}

struct form_field *form_add_choice(struct form *form, const char *name, const char *label,
                                   const struct enum_desc *choice, const char *help)
{
    struct form_field *field = form_add(form, name, label, FORM_CHOICE, 0, help);
    field->choice = choice;
    return field;
}

struct form_field *form_find(struct form *form, const char *name)
{
    for (int i = 0; i < form->count; i++) {
        if (strcmp(form->fields[i].name, name) == 0)
            return &form->fields[i];
    }
    return NULL;
}

void form_wipe(struct form *form)
{
    explicit_bzero(form, sizeof *form);
}

void form_set(struct form_field *field, const char *value)
{
    slice_copy(slice_from(value), field->value, field->max + 1);
    field->n = strlen(field->value);
    field->cursor = field->n;
}

const char *form_choice(const struct form_field *field)
{
    if (field->number == 0)
        return field->required ? "choose" : "any";
    return enum_text(field->choice, field->number);
}

/* Steps through the values; an optional choice has "any" before the first. */
static void choose(struct form_field *field, int step)
{
    int count = (int)field->choice->count;
    int at = -1;
    for (int i = 0; i < count; i++) {
        if (field->choice->values[i].number == field->number)
            at = i;
    }
    int lowest = field->required ? 0 : -1;
    at += step;
    if (at < lowest)
        at = count - 1;
    if (at >= count)
        at = lowest;
    field->number = at < 0 ? 0 : field->choice->values[at].number;
}

static bool choice_key(struct form_field *field, uint32_t key)
{
    if (key == K_LEFT || key == K_RIGHT || key == K_SPACE) {
        choose(field, key == K_LEFT ? -1 : 1);
        return true;
    }
    if (key == K_BACKSPACE && !field->required) {
        field->number = 0;
        return true;
    }
    for (size_t i = 0; i < field->choice->count && key_is_text(key); i++) {
        if ((uint32_t)field->choice->values[i].text[0] == key) {
            field->number = field->choice->values[i].number;
            return true;
        }
    }
    return key_is_text(key);
}

static size_t before(const struct form_field *field, size_t at)
{
    if (at > 0)
        at--;
    while (at > 0 && ((unsigned char)field->value[at] & 0xC0) == 0x80)
        at--;
    return at;
}

static size_t after(const struct form_field *field, size_t at)
{
    if (at < field->n)
        at++;
    while (at < field->n && ((unsigned char)field->value[at] & 0xC0) == 0x80)
        at++;
    return at;
}

static void erase(struct form_field *field, size_t from, size_t to)
{
    memmove(field->value + from, field->value + to, field->n - to);
    field->n -= to - from;
    field->value[field->n] = '\0';
    field->cursor = from;
}

static bool insert(struct form_field *field, const char *bytes, size_t n)
{
    if (field->n + n > field->max)
        return false;
    memmove(field->value + field->cursor + n, field->value + field->cursor,
            field->n - field->cursor);
    memcpy(field->value + field->cursor, bytes, n);
    field->n += n;
    field->cursor += n;
    field->value[field->n] = '\0';
    return true;
}

static size_t word_start(const struct form_field *field)
{
    size_t at = field->cursor;
    while (at > 0 && field->value[at - 1] == ' ')
        at--;
    while (at > 0 && field->value[at - 1] != ' ')
        at--;
    return at;
}

static bool edit_key(struct form_field *field, uint32_t key)
{
    switch (key) {
    case K_LEFT:
        field->cursor = before(field, field->cursor);
        return true;
    case K_RIGHT:
        field->cursor = after(field, field->cursor);
        return true;
    case K_HOME:
    case KEY_CTRL('A'):
        field->cursor = 0;
        return true;
    case K_END:
    case KEY_CTRL('E'):
        field->cursor = field->n;
        return true;
    case K_BACKSPACE:
        erase(field, before(field, field->cursor), field->cursor);
        return true;
    case K_DELETE:
        erase(field, field->cursor, after(field, field->cursor));
        return true;
    case KEY_CTRL('U'):
        erase(field, 0, field->n);
        return true;
    case KEY_CTRL('W'):
        erase(field, word_start(field), field->cursor);
        return true;
    default:
        return false;
    }
}

bool form_key(struct form *form, uint32_t key)
{
    if (form->count == 0)
        return false;
    struct form_field *field = &form->fields[form->focus];
    if (field->kind == FORM_CHOICE)
        return choice_key(field, key);
    bool changes = key_is_text(key) || key == K_BACKSPACE || key == K_DELETE ||
                   key == KEY_CTRL('U') || key == KEY_CTRL('W');
    if (changes)
        field->error[0] = '\0';
    if (edit_key(field, key))
        return true;
    if (!key_is_text(key))
        return false;
    char   bytes[4];
    size_t n = key_utf8(key, bytes);
    if (!insert(field, bytes, n))
        snprintf(field->error, sizeof field->error, "At most %zu characters", field->max);
    return true;
}

bool form_paste(struct form *form, struct slice text)
{
    if (form->count == 0 || form->fields[form->focus].kind == FORM_CHOICE)
        return false;
    struct form_field *field = &form->fields[form->focus];
    field->error[0] = '\0';
    while (text.n > 0) {
        uint32_t code;
        size_t   n = slice_char(text, &code);
        if (n > 0 && !char_is_control(code) && !insert(field, text.at, n)) {
            snprintf(field->error, sizeof field->error, "The pasted text was cut at %zu characters",
                     field->max);
            break;
        }
        text = slice_of(text.at + (n > 0 ? n : 1), text.n - (n > 0 ? n : 1));
    }
    return true;
}

bool form_next(struct form *form)
{
    if (form->focus + 1 >= form->count)
        return false;
    form->focus++;
    return true;
}

void form_previous(struct form *form)
{
    if (form->focus > 0)
        form->focus--;
}

void form_clear_errors(struct form *form)
{
    for (int i = 0; i < form->count; i++)
        form->fields[i].error[0] = '\0';
}

bool form_complete(struct form *form)
{
    int first = -1;
    for (int i = 0; i < form->count; i++) {
        struct form_field *field = &form->fields[i];
        bool               empty = field->kind == FORM_CHOICE ? field->number == 0 : field->n == 0;
        if (!field->required || !empty)
            continue;
        snprintf(field->error, sizeof field->error, "This is needed");
        if (first < 0)
            first = i;
    }
    if (first >= 0)
        form->focus = first;
    return first < 0;
}

/* The box of a value; scrolls so that the cursor is inside. */
static void draw_value(const struct form_field *field, struct canvas *canvas, int x, int y,
                       int width, bool focused)
{
    enum style style = focused ? STYLE_INPUT_ON : STYLE_INPUT;
    char       words[SHOW_WORDS_MAX];
    canvas_fill(canvas, (struct rect){ x, y, width, 1 }, style, ' ');
    if (field->kind == FORM_CHOICE) {
        canvas_glyph(canvas, x, y, style, GLYPH_MORE_LEFT);
        canvas_string(canvas, x + 2, y, width - 4, style, show_words(form_choice(field), words));
        canvas_glyph(canvas, x + width - 1, y, style, GLYPH_MORE_RIGHT);
        if (focused)
            canvas_cursor(canvas, x + 2, y);
        return;
    }
    struct slice head = slice_of(field->value, field->cursor);
    struct slice all = slice_of(field->value, field->n);
    char         dots[FORM_VALUE_MAX];
    if (field->kind == FORM_SECRET) {
        size_t n = field->n < sizeof dots ? field->n : sizeof dots;
        memset(dots, '*', sizeof dots);
        head = slice_of(dots, field->cursor);
        all = slice_of(dots, n);
    }
    size_t skip = 0;
    while (text_columns(slice_of(head.at + skip, head.n - skip)) >= width && skip < head.n)
        skip = field->kind == FORM_SECRET ? skip + 1 : after(field, skip);
    canvas_text(canvas, x, y, width, style, slice_of(all.at + skip, all.n - skip));
    if (focused)
        canvas_cursor(canvas, x + text_columns(slice_of(head.at + skip, head.n - skip)), y);
}

static int value_width(const struct form_field *field, int room)
{
    int width = field->kind == FORM_AMOUNT ? 22 : field->kind == FORM_DATE ? 18 : 42;
    if (field->kind == FORM_CHOICE)
        width = 22;
    if (field->max > 120)
        width = room;
    else if (field->note[0] != '\0' && width > room - NOTE_WIDTH)
        width = room - NOTE_WIDTH;
    if (width < VALUE_LEAST)
        width = VALUE_LEAST;
    return width < room ? width : room;
}

int form_draw(const struct form *form, struct canvas *canvas, struct rect rect)
{
    int y = rect.y;
    int x = rect.x + LABEL_WIDTH;
    int room = rect.w - LABEL_WIDTH;
    for (int i = 0; i < form->count; i++) {
        const struct form_field *field = &form->fields[i];
        int                      width = value_width(field, room);
        int used = canvas_string(canvas, rect.x, y, LABEL_WIDTH - 1, STYLE_LABEL, field->label);
        if (field->required && used < LABEL_WIDTH - 2)
            canvas_put(canvas, rect.x + used, y, STYLE_LABEL, '*');
        draw_value(field, canvas, x, y, width, i == form->focus);
        canvas_string(canvas, x + width + 2, y, room - width - 2, STYLE_DIM, field->note);
        y++;
        if (field->error[0] != '\0') {
            canvas_print(canvas, x, y, room, STYLE_BAD, "! %s", field->error);
            y++;
        }
    }
    return y - rect.y;
}
