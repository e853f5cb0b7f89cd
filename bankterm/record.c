/* Deep copies by description. Messages nest (a page holds transactions, each holds reasons), so the
 * walk keeps its own small stack of lists that are still to be looked at; first it adds up what
 * the copy needs, then it makes it, in the same order. */
#include "bankterm/record.h"

#include "common/check.h"

#include <stdlib.h>
#include <string.h>

/* All LIST fields have this shape. */
struct any_list {
    void  *at;
    size_t count;
};

/* Messages of one description that are still to be walked. */
struct work {
    const struct message_desc *desc;
    char                      *at;
    size_t                     count;
};

enum { WORK_MAX = LIMIT_DEPTH_MAX * 8 };

struct walk {
    struct work work[WORK_MAX];
    size_t      depth;
    size_t      bytes; /* needed or used so far */
    char       *block; /* NULL while measuring */
};

static size_t aligned(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

static void *walk_take(struct walk *walk, const void *from, size_t n)
{
    void *at = NULL;
    if (walk->block != NULL) {
        at = walk->block + walk->bytes;
        memcpy(at, from, n);
    }
    walk->bytes += aligned(n);
    return at;
}

static void walk_field(struct walk *walk, const struct field_desc *field, char *message)
{
    if (field->type == FIELD_TEXT || field->type == FIELD_BYTES) {
        struct slice text;
        memcpy(&text, message + field->offset, sizeof text);
        if (text.n == 0)
            return;
        char *copy = walk_take(walk, text.at, text.n);
        if (copy != NULL) {
            text.at = copy;
            memcpy(message + field->offset, &text, sizeof text);
        }
    } else if (field->type == FIELD_LIST) {
        struct any_list list;
        memcpy(&list, message + field->offset, sizeof list);
        if (list.count == 0)
            return;
        char *copy = walk_take(walk, list.at, list.count * field->item->size);
        if (copy != NULL) {
            list.at = copy;
            memcpy(message + field->offset, &list, sizeof list);
        }
        CHECK(walk->depth < WORK_MAX);
        walk->work[walk->depth++] = (struct work){ field->item, list.at, list.count };
    }
}

/* Takes one message off the pile at a time, so the pile stays as deep as messages nest. */
static void walk_all(struct walk *walk, const struct message_desc *desc, char *message)
{
    walk->work[walk->depth++] = (struct work){ desc, message, 1 };
    while (walk->depth > 0) {
        struct work *top = &walk->work[walk->depth - 1];
        if (top->count == 0) {
            walk->depth--;
            continue;
        }
        char                      *at = top->at;
        const struct message_desc *of = top->desc;
        top->at += of->size;
        top->count--;
        for (size_t i = 0; i < of->count; i++)
            walk_field(walk, &of->fields[i], at);
    }
}

enum err record_keep(struct record *record, const struct message_desc *desc, const void *body)
{
    struct walk walk = { 0 };
    char       *copy = malloc(desc->size);
    if (copy == NULL)
        return ERR_memory;
    memcpy(copy, body, desc->size);
    walk_all(&walk, desc, copy);
    free(copy);
    char *block = malloc(aligned(desc->size) + walk.bytes);
    if (block == NULL)
        return ERR_memory;
    memcpy(block, body, desc->size);
    struct walk second = { .bytes = aligned(desc->size), .block = block };
    walk_all(&second, desc, block);
    record_free(record);
    record->desc = desc;
    record->body = block;
    return ERR_none;
}

void record_free(struct record *record)
{
    free(record->body);
    *record = (struct record){ 0 };
}

int message_field(const struct message_desc *desc, const char *name)
{
    for (size_t i = 0; i < desc->count; i++) {
        if (strcmp(desc->fields[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

const void *message_at(const struct message_desc *desc, const void *body, int field)
{
    return (const char *)body + desc->fields[field].offset;
}

bool message_has(const void *body, int field)
{
    uint64_t has;
    memcpy(&has, body, sizeof has);
    return (has >> field & 1) != 0;
}

static void *message_give(const struct message_desc *desc, void *body, const char *name)
{
    int field = message_field(desc, name);
    if (field < 0)
        return NULL;
    uint64_t has;
    memcpy(&has, body, sizeof has);
    has |= UINT64_C(1) << field;
    memcpy(body, &has, sizeof has);
    return (char *)body + desc->fields[field].offset;
}

void message_set_int(const struct message_desc *desc, void *body, const char *name, int64_t value)
{
    void *at = message_give(desc, body, name);
    if (at != NULL)
        memcpy(at, &value, sizeof value);
}

void message_set_bytes(const struct message_desc *desc, void *body, const char *name,
                       struct slice value)
{
    void *at = message_give(desc, body, name);
    if (at != NULL)
        memcpy(at, &value, sizeof value);
}

const void *message_list(const struct message_desc *desc, const void *body, int field,
                         size_t *count)
{
    struct any_list list;
    memcpy(&list, message_at(desc, body, field), sizeof list);
    *count = list.count;
    return list.at;
}
