/* Bodies of records. See record.h. */
#include "bankd/record.h"

#include <string.h>

const struct message_desc *record_message(int32_t kind)
{
    static const struct message_desc *const messages[RECORD_KIND_END] = {
        [RECORD_SETTING] = &message_control_settings,
        [RECORD_SCREENING] = &message_screening_entry,
        [RECORD_SUPPRESSION] = &message_suppression,
        [RECORD_NOTIFICATION] = &message_notification,
        [RECORD_STEPPED_RULE] = &message_stepped_rule,
        [RECORD_ALERT_COUNTERS] = &message_alert_counters_record,
        [RECORD_ALERT_NOTE] = &message_note_record,
        [RECORD_CASE] = &message_case_record,
        [RECORD_CASE_ITEM] = &message_case_item,
        [RECORD_FINDING] = &message_finding_record,
    };

    return kind > 0 && kind < RECORD_KIND_END ? messages[kind] : NULL;
}

enum err record_write(struct record *record, const struct message_desc *desc, const void *message)
{
    struct buf bytes;
    enum err   err;

    buf_init(&bytes, LIMIT_RECORD_BODY_MAX);
    err = message_encode(desc, message, &bytes);
    if (err == ERR_none) {
        memset(record->body, 0, sizeof record->body);
        memcpy(record->body, bytes.at, bytes.n);
        record->body_size = (uint32_t)bytes.n;
    }
    buf_free(&bytes);
    return err;
}

enum err record_read(const struct record *record, const struct message_desc *desc, void *message,
                     struct arena *arena)
{
    struct fault fault = { 0 };
    enum err     err = message_decode(desc, slice_of((const char *)record->body, record->body_size),
                                      DECODE_LENIENT, arena, message, &fault);

    return err == ERR_none || err == ERR_memory ? err : ERR_storage_corrupt;
}
