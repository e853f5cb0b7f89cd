/* From an operation to its handler, by one switch made from proto/ops.def: an operation without a
 * handler does not link. Rights were checked before; see server.c. */
#include "bankd/request.h"

enum err dispatch(struct request *request, const void *in, void *out)
{
    switch ((enum op_index)(request->op - op_rows)) {
#define OP(number, family, verb, roles, flags, req, rep, help)                                     \
    case OP_INDEX_##family##_##verb:                                                               \
        return op_##family##_##verb(request, in, out);
#include "proto/ops.def"
#undef OP
    case OP_INDEX_count:
        break;
    }
    return ERR_operation_unknown;
}
