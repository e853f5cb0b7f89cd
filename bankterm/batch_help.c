/* Help of `bankterm run`, printed from the tables of the protocol. */
#include "bankterm/batch_help.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bankterm/values.h"
#include "common/check.h"

enum { HELP_KIND_MAX = 120, HELP_NEAR_MAX = 3 };

static void print_roles(const struct op_row *row, FILE *out)
{
    const char *between = "";

    if ((row->flags & OP_OPEN) != 0) {
        fprintf(out, "everybody, without a session");
        return;
    }
    for (size_t i = 0; i < role_count; i++) {
        if ((row->roles & (uint32_t)role_rows[i].role) == 0)
            continue;
        fprintf(out, "%s%s", between, role_rows[i].name);
        between = ", ";
    }
}

void batch_help_list(FILE *out)
{
    for (size_t i = 0; i < OP_INDEX_count; i++) {
        fprintf(out, "%-22s %s.\n%-22s   ", op_rows[i].name, op_rows[i].help, "");
        print_roles(&op_rows[i], out);
        fprintf(out, "\n");
    }
}

static const struct {
    enum op_index op;
    const char   *field;
} made_ids[] = {
    { OP_INDEX_transaction_create, "transaction_id" },
    { OP_INDEX_transaction_reverse, "reversal_id" },
    { OP_INDEX_account_create, "account_id" },
    { OP_INDEX_customer_create, "customer_id" },
    { OP_INDEX_case_open, "case_id" },
    { OP_INDEX_case_add, "item_id" },
};

const struct field_desc *batch_help_made(enum op_index op)
{
    for (size_t i = 0; i < ARRAY_COUNT(made_ids); i++)
        if (made_ids[i].op == op)
            return values_field(op_rows[op].request, slice_from(made_ids[i].field));
    return NULL;
}

static void print_field(const struct field_desc *field, bool made, FILE *out)
{
    const char *need = (field->flags & REQUIRED) != 0 ? "required" : "optional";
    char        kind[HELP_KIND_MAX];

    fprintf(out, "  %-24s %s, %s\n", field->name, made ? "made when absent" : need,
            values_kind(field, kind, sizeof kind));
    fprintf(out, "  %-24s   %s", "", field->help);
    if ((field->flags & MULTILINE) != 0)
        fprintf(out, "; %s=@FILE reads it from a file", field->name);
    if (field->limit > 0 && field->type == FIELD_TEXT)
        fprintf(out, " (at most %" PRId64 " bytes)", field->limit);
    if (field->limit > 0 && field->type == FIELD_INT)
        fprintf(out, " (at most %" PRId64 ")", field->limit);
    fprintf(out, ".\n");
}

void batch_help_operation(const struct op_row *row, FILE *out)
{
    const struct field_desc *made = batch_help_made((enum op_index)(row - op_rows));

    fprintf(out, "%s: %s.\n\nFor: ", row->name, row->help);
    print_roles(row, out);
    fprintf(out, ".\n\nFields, as name=value, or name@=FILE to read the value from a file:\n");
    for (size_t i = 0; i < row->request->count; i++)
        print_field(&row->request->fields[i], &row->request->fields[i] == made, out);
    if (row->request->count == 0)
        fprintf(out, "  none\n");
    fprintf(out, "\nAnswer: %s\n", row->reply->help);
    for (size_t i = 0; i < row->reply->count; i++)
        if ((row->reply->fields[i].flags & SECRET) == 0)
            fprintf(out, "  %-24s %s.\n", row->reply->fields[i].name, row->reply->fields[i].help);
}

/* How far a name is from an operation's: from the whole name or from its verb alone. */
static int distance_to(struct slice name, const struct op_row *row)
{
    const char *verb = strchr(row->name, '.');
    int         whole = values_distance(name, slice_from(row->name));

    if (slice_is(name, verb + 1))
        return 1;
    return values_near(name, slice_from(row->name)) ? whole : -1;
}

const char *batch_help_near(struct slice name, char *out, size_t size)
{
    const struct op_row *near[HELP_NEAR_MAX] = { NULL };
    int                  distances[HELP_NEAR_MAX];
    size_t               count = 0;
    size_t               used;

    out[0] = '\0';
    for (size_t i = 0; i < OP_INDEX_count; i++) {
        int    distance = distance_to(name, &op_rows[i]);
        size_t at = count;

        if (distance < 0 || (count == HELP_NEAR_MAX && distance >= distances[count - 1]))
            continue;
        if (count < HELP_NEAR_MAX)
            count++;
        else
            at = count - 1;
        for (; at > 0 && distances[at - 1] > distance; at--) {
            near[at] = near[at - 1];
            distances[at] = distances[at - 1];
        }
        near[at] = &op_rows[i];
        distances[at] = distance;
    }
    if (count == 0)
        return out;
    used = (size_t)snprintf(out, size, "Perhaps %s", near[0]->name);
    for (size_t i = 1; i < count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i + 1 < count ? ", " : " or ",
                                 near[i]->name);
    if (used < size)
        snprintf(out + used, size - used, " was meant");
    return out;
}
