/* The user file: any bytes are either refused or give users that can be asked for. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/user_file.h"
#include "gateway/base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *base;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct user_file *f = NULL;
    struct gw_errmsg msg = {""};
    log_level_now = LOG_LVL_ERROR;
    if (base == NULL)
        base = json_loads("{\"home\":\"/h/${user}\",\"limits\":{},"
                          "\"mounts\":[{\"path\":\"/\",\"backend\":\"m\",\"prefix\":\"${user}\"}]}",
                          0, NULL);
    if (user_file_parse(gw_span_of(data, size), base, &f, &msg) != GW_OK) {
        if (f != NULL || msg.text[0] == '\0')
            abort();
        return 0;
    }
    const struct user_entry *e = user_file_find(f, "alice");
    for (size_t i = 0; e != NULL && i < e->id->nmounts; i++) {
        const struct identity_mount *m = &e->id->mounts[i];
        if (m->path[0] != '/' || m->prefix[0] == '/' || strstr(m->prefix, "//") != NULL ||
            strcmp(m->prefix, "..") == 0 || strncmp(m->prefix, "../", 3) == 0 ||
            strstr(m->prefix, "/../") != NULL)
            abort();
    }
    if (e != NULL)
        json_decref(identity_to_json(e->id));
    if (user_file_decoy(f, "nobody") == NULL)
        abort();
    user_file_unref(&f);
    return 0;
}
