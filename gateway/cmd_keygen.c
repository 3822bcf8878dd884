#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "gateway/cmd.h"
#include "gateway/cmdline.h"
#include "gateway/key_line.h"
#include "gateway/ssh/host_keys.h"

static const char *const types[] = {"ed25519", "ecdsa", "rsa", NULL};

static bool is_type(const char *type)
{
    for (size_t i = 0; types[i] != NULL; i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return false;
}

static int show(const char *word, const char *path, const char *line)
{
    struct key_line key;
    struct gw_errmsg msg = {""};
    int code = EX_OK;
    if (key_line_parse(line, &key, &msg) != GW_OK)
        code = cmdline_fail(word, EX_SOFTWARE, "%s: %s", path, msg.text);
    else
        printf("%s\n%.*s\n", key.fingerprint, (int)strcspn(line, "\r\n"), line);
    key_line_free(&key);
    return code;
}

int cmd_keygen(int argc, char **argv)
{
    const char *type = NULL;
    const char *path = NULL;
    const struct cmdline_opt opts[] = {{"type", &type, NULL}, {NULL, NULL, NULL}};
    struct gw_errmsg msg = {""};
    struct gw_buf pub;
    int code = cmdline_parse(argc, argv, opts, &path);
    if (code != EX_OK)
        return code;
    if (path == NULL)
        return cmdline_usage(argv[0], "which file?");
    if (type == NULL)
        type = types[0];
    if (!is_type(type))
        return cmdline_usage(argv[0], "--type %s: ed25519, ecdsa and rsa are known", type);
    gw_buf_init(&pub, KEY_LINE_MAX);
    enum gw_err err = host_keys_generate(path, type, &pub, &msg);
    if (err != GW_OK)
        code = cmdline_fail(argv[0], EX_CANTCREAT, "%s", msg.text);
    else
        code = show(argv[0], path, gw_buf_cstr(&pub));
    gw_buf_free(&pub);
    return code;
}
