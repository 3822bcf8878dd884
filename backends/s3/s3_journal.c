#include "backends/s3/s3_journal.h"

void s3_journal_add(struct s3_store *s, const char *key, const char *upload_id)
{
    (void)s;
    (void)key;
    (void)upload_id;
}

void s3_journal_remove(struct s3_store *s, const char *key, const char *upload_id)
{
    (void)s;
    (void)key;
    (void)upload_id;
}
