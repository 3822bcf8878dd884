/* Any bytes as a configuration file: refused with words, or settings that can be printed. */
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "backends/backends.h"
#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A fuzzer that names files of this machine as secrets only finds out what it is like. */
static bool reads_files(const char *text)
{
    return strstr(text, "\"file\"") != NULL && strstr(text, "/") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct opt_kinds kinds[OPT_SLOT_COUNT] = {
        [OPT_SLOT_BACKEND] = *backend_kinds(),
        [OPT_SLOT_VERIFIER] = *auth_kinds(),
    };
    struct gw_buf text;
    struct gw_buf problems;
    struct settings *s = NULL;
    gw_buf_init(&text, size + 1);
    gw_buf_init(&problems, 4096);
    gw_buf_put(&text, data, size);
    const char *file = gw_buf_cstr(&text);
    if (!reads_files(file)) {
        enum gw_err err = settings_read(NULL, file, kinds, &s, &problems);
        if (err == GW_OK && (problems.len > 0 || s == NULL))
            abort();
        if (s != NULL)
            json_decref(options_print(settings_table, s));
        settings_unref(&s);
    }
    gw_buf_free(&problems);
    gw_buf_free(&text);
    return 0;
}
