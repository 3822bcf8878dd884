#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <openssl/crypto.h>

#include "auth/passwd.h"
#include "gateway/base/mem.h"
#include "gateway/cmd.h"
#include "gateway/cmdline.h"
#include "gateway/prompt.h"

static int ask_twice(const char *word, char **out)
{
    struct gw_errmsg msg = {""};
    char *again = NULL;
    int code = EX_OK;
    if (prompt_secret("New password: ", out, &msg) != GW_OK ||
        prompt_secret("Again: ", &again, &msg) != GW_OK)
        code = cmdline_fail(word, EX_NOINPUT, "%s", msg.text);
    else if (strlen(*out) != strlen(again) || CRYPTO_memcmp(*out, again, strlen(again)) != 0)
        code = cmdline_fail(word, EX_DATAERR, "the two are not the same");
    mem_free_secret_str(&again);
    return code;
}

int cmd_passwd(int argc, char **argv)
{
    const struct cmdline_opt opts[] = {{NULL, NULL, NULL}};
    struct gw_errmsg msg = {""};
    char *password = NULL;
    char *hash = NULL;
    int code = cmdline_parse(argc, argv, opts, NULL);
    if (code != EX_OK)
        return code;
    if (prompt_is_terminal())
        code = ask_twice(argv[0], &password);
    else if (prompt_line(&password, &msg) != GW_OK)
        code = cmdline_fail(argv[0], EX_NOINPUT, "the password on stdin: %s", msg.text);
    if (code == EX_OK && passwd_hash(password, &hash, &msg) != GW_OK)
        code = cmdline_fail(argv[0], EX_DATAERR, "%s", msg.text);
    if (code == EX_OK)
        printf("%s\n", hash);
    mem_free_secret_str(&hash);
    mem_free_secret_str(&password);
    return code;
}
