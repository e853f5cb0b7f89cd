/* See control_records.h. */
#include "bankd/control_records.h"

#include "bankd/record.h"
#include "common/check.h"

struct uuid control_record_id(int32_t kind)
{
    const uint8_t tail[10] = { 0xc0, 0x27, (uint8_t)kind };

    return uuid_v7_derived(0, tail);
}

struct slice role_text(enum role role)
{
    const struct role_row *row = role_find(role);

    return slice_from(row != NULL ? row->name : "?");
}

enum err control_record_end(struct record *record, int32_t state, int64_t now_us, const char *who,
                            struct slice reason, struct arena *arena)
{
    struct msg_screening_entry entry;
    struct msg_suppression     suppression;

    CHECK(record->kind == RECORD_SCREENING || record->kind == RECORD_SUPPRESSION);
    record->state = state;
    record->due_at_us = 0;
    if (record->kind == RECORD_SCREENING) {
        TRY(record_read(record, &message_screening_entry, &entry, arena));
        entry.state = state;
        MSG_SET(&entry, screening_entry, ended_at, now_us);
        MSG_SET(&entry, screening_entry, ended_by, slice_from(who));
        MSG_SET(&entry, screening_entry, end_reason, reason);
        return record_write(record, &message_screening_entry, &entry);
    }
    TRY(record_read(record, &message_suppression, &suppression, arena));
    suppression.state = state;
    MSG_SET(&suppression, suppression, ended_at, now_us);
    MSG_SET(&suppression, suppression, ended_by, slice_from(who));
    MSG_SET(&suppression, suppression, end_reason, reason);
    return record_write(record, &message_suppression, &suppression);
}
