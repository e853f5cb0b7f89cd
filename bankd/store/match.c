/* Filters, field by field. A filter's field that is zero or empty asks nothing. */
#include "bankd/store/match.h"

#include "bankd/alert.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool starts_with(const char *text, struct slice part)
{
    for (size_t i = 0; i < part.n; i++)
        if (text[i] == '\0' || lower(text[i]) != lower(part.at[i]))
            return false;
    return true;
}

bool text_contains(const char *text, struct slice part)
{
    if (part.n == 0)
        return true;
    for (; *text != '\0'; text++)
        if (starts_with(text, part))
            return true;
    return false;
}

static bool within(int64_t value, int64_t from, int64_t to)
{
    return (from == 0 || value >= from) && (to == 0 || value < to);
}

static bool is_asked(int64_t asked, int64_t value)
{
    return asked == 0 || asked == value;
}

bool transaction_matches(const struct transaction_filter *filter, const struct transaction *t)
{
    return within(t->at_us, filter->from_us, filter->to_us) && is_asked(filter->type, t->type) &&
           is_asked(filter->status, t->status) && is_asked(filter->currency, t->currency) &&
           (filter->account == 0 || t->debit == filter->account || t->credit == filter->account) &&
           (filter->amount_min == 0 || t->amount >= filter->amount_min) &&
           (filter->amount_max == 0 || t->amount <= filter->amount_max) &&
           (filter->flagged == 0 || t->flagged == (filter->flagged == 1));
}

bool transaction_found(const struct transaction_filter *filter, const struct transaction *t,
                       const char *party_key)
{
    return text_contains(t->description, filter->search) ||
           text_contains(t->external_id, filter->search) ||
           text_contains(party_key, filter->search);
}

bool customer_found(struct slice search, const struct customer *customer)
{
    return text_contains(customer->name, search) || text_contains(customer->email, search) ||
           text_contains(customer->external_id, search);
}

bool account_matches(const struct account_filter *filter, const struct account *account)
{
    const struct account_book *book = &account->book;
    char                       text[UUID_TEXT_MAX];

    if ((filter->before_number != 0 && book->number >= filter->before_number) ||
        !is_asked(filter->status, book->status) || !is_asked(filter->kind, book->kind) ||
        !is_asked(filter->customer, book->customer) || !is_asked(filter->currency, book->currency))
        return false;
    if (filter->thaw_until_us != 0 &&
        (book->freeze_until_us == 0 || book->freeze_until_us > filter->thaw_until_us))
        return false;
    return text_contains(account->name, filter->search) ||
           text_contains(account->holder, filter->search) ||
           text_contains(account->external_id, filter->search) ||
           starts_with(uuid_text(&book->account_id, text), filter->search);
}

static bool is_wanted(int32_t asked, bool is_such)
{
    return asked == 0 || is_such == (asked == 1);
}

bool alert_matches(const struct alert_filter *filter, const struct alert *alert)
{
    int32_t state = alert_state_at(alert, filter->now_us);
    bool    mine = state == ALERT_TAKEN && alert->assigned_to == filter->user;

    if (filter->by_loss &&
        (alert->urgency > filter->below_urgency ||
         (alert->urgency == filter->below_urgency && alert->number <= filter->behind_number)))
        return false;
    return (filter->before_number == 0 || alert->number < filter->before_number) &&
           is_asked(filter->state, state) && is_asked(filter->account, alert->account) &&
           within(alert->created_at_us, filter->from_us, filter->to_us) &&
           is_wanted(filter->mine, mine) && is_wanted(filter->snoozed, state == ALERT_SNOOZED) &&
           ((!filter->undecided && !filter->by_loss) || state != ALERT_DECIDED);
}

bool record_matches(const struct record_filter *filter, const struct record *record)
{
    bool due = record->due_at_us != 0 && record->due_at_us < filter->due_before_us;

    return record->kind == filter->kind && is_asked(filter->state, record->state) &&
           is_asked(filter->about, record->about) &&
           (filter->due_before_us != 0
                ? due
                : filter->before_number == 0 || record->number < filter->before_number);
}

bool audit_matches(const struct audit_filter *filter, const struct audit *audit)
{
    return (filter->before_sequence == 0 || audit->sequence < filter->before_sequence) &&
           is_asked(filter->about_transaction, audit->about_transaction) &&
           is_asked(filter->kind, audit->kind) &&
           within(audit->at_us, filter->from_us, filter->to_us) &&
           (filter->actor.n == 0 || slice_is(filter->actor, audit->actor_name)) &&
           (text_contains(audit->operation, filter->search) ||
            text_contains(audit->subject, filter->search) ||
            text_contains(audit->detail, filter->search));
}

int64_t transaction_previous(const struct transaction *t, int64_t account)
{
    return t->debit == account ? t->debit_previous : t->credit_previous;
}
