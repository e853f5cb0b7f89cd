/* The longest common subsequence of the lines between the common beginning and the common end, by
 * the table of lengths that every textbook has; rules are short enough for it. */
#include "bankterm/diff.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct lines {
    struct slice *at;
    int           count;
};

static enum err split(struct slice text, struct lines *out)
{
    int room = 1;
    for (size_t i = 0; i < text.n; i++)
        room += text.at[i] == '\n';
    out->at = calloc((size_t)room, sizeof *out->at);
    out->count = 0;
    if (out->at == NULL)
        return ERR_memory;
    while (text.n > 0) {
        const char *end = memchr(text.at, '\n', text.n);
        size_t      n = end != NULL ? (size_t)(end - text.at) : text.n;
        size_t      step = end != NULL ? n + 1 : n;
        out->at[out->count++] = slice_of(text.at, n);
        text = slice_of(text.at + step, text.n - step);
    }
    return ERR_none;
}

static void add(struct diff *diff, char sign, int number, struct slice text)
{
    diff->lines[diff->count++] = (struct diff_line){ sign, number, text };
    diff->added += sign == '+';
    diff->removed += sign == '-';
}

/* Walks the table of lengths; `from` lines at the start are common, `a` and `b` lie behind them. */
static void walk(struct diff *diff, const uint16_t *length, const struct lines *a,
                 const struct lines *b, int from)
{
    int i = 0;
    int j = 0;
    while (i < a->count || j < b->count) {
        const uint16_t *row = length + (size_t)i * (size_t)(b->count + 1);
        if (i < a->count && j < b->count && slice_equal(a->at[i], b->at[j])) {
            add(diff, ' ', from + j + 1, b->at[j]);
            i++;
            j++;
        } else if (j == b->count || (i < a->count && row[b->count + 1 + j] >= row[j + 1])) {
            add(diff, '-', from + i + 1, a->at[i]);
            i++;
        } else {
            add(diff, '+', from + j + 1, b->at[j]);
            j++;
        }
    }
}

/* The part between what both have at the beginning and at the end. */
static enum err middle(struct diff *diff, const struct lines *a, const struct lines *b, int from)
{
    size_t cells = (size_t)(a->count + 1) * (size_t)(b->count + 1);
    if (cells > DIFF_CELLS_MAX) {
        for (int i = 0; i < a->count; i++)
            add(diff, '-', from + i + 1, a->at[i]);
        for (int j = 0; j < b->count; j++)
            add(diff, '+', from + j + 1, b->at[j]);
        return ERR_none;
    }
    uint16_t *length = calloc(cells, sizeof *length);
    if (length == NULL)
        return ERR_memory;
    for (int i = a->count - 1; i >= 0; i--) {
        uint16_t *row = length + (size_t)i * (size_t)(b->count + 1);
        uint16_t *below = row + b->count + 1;
        for (int j = b->count - 1; j >= 0; j--) {
            if (slice_equal(a->at[i], b->at[j]))
                row[j] = (uint16_t)(below[j + 1] + 1);
            else
                row[j] = below[j] > row[j + 1] ? below[j] : row[j + 1];
        }
    }
    walk(diff, length, a, b, from);
    free(length);
    return ERR_none;
}

/* Leaves out what is the same and far from every change. */
static void shorten(struct diff *diff)
{
    int kept = 0;
    int left_out = 0;
    for (int i = 0; i < diff->count; i++) {
        bool near = false;
        for (int k = i - DIFF_CONTEXT; k <= i + DIFF_CONTEXT; k++)
            near = near || (k >= 0 && k < diff->count && diff->lines[k].sign != ' ');
        if (!near) {
            left_out++;
            continue;
        }
        struct diff_line line = diff->lines[i];
        if (left_out > 0) /* takes the place of one of those that are left out */
            diff->lines[kept++] = (struct diff_line){ '@', line.number, slice_of("", 0) };
        left_out = 0;
        diff->lines[kept++] = line;
    }
    diff->count = kept;
}

enum err diff_make(struct slice before, struct slice after, struct diff *out)
{
    struct lines a = { 0 };
    struct lines b = { 0 };
    int          from = 0;
    int          end = 0;
    enum err     err;
    *out = (struct diff){ 0 };
    err = split(before, &a);
    if (err == ERR_none)
        err = split(after, &b);
    if (err != ERR_none)
        goto out;
    out->lines = calloc((size_t)(a.count + b.count + 1), sizeof *out->lines);
    if (out->lines == NULL) {
        err = ERR_memory;
        goto out;
    }
    while (from < a.count && from < b.count && slice_equal(a.at[from], b.at[from]))
        from++;
    while (end < a.count - from && end < b.count - from &&
           slice_equal(a.at[a.count - 1 - end], b.at[b.count - 1 - end]))
        end++;
    for (int i = 0; i < from; i++)
        add(out, ' ', i + 1, b.at[i]);
    struct lines left = { a.at + from, a.count - from - end };
    struct lines right = { b.at + from, b.count - from - end };
    err = middle(out, &left, &right, from);
    for (int i = b.count - end; err == ERR_none && i < b.count; i++)
        add(out, ' ', i + 1, b.at[i]);
    if (err == ERR_none)
        shorten(out);
out:
    free(a.at);
    free(b.at);
    if (err != ERR_none)
        diff_free(out);
    return err;
}

void diff_free(struct diff *diff)
{
    free(diff->lines);
    *diff = (struct diff){ 0 };
}
