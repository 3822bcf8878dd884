#include "gateway/io/op.h"

#include <stddef.h>

void op_cancel(struct op **opp)
{
    struct op *op = *opp;
    *opp = NULL;
    if (op != NULL)
        op->type->cancel(op);
}
