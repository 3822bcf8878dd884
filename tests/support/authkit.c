#include "tests/support/authkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/pubkey.h"
#include "backends/backends.h"
#include "gateway/base/mem.h"
#include "tests/support/sync.h"

static void die(const char *what)
{
    fprintf(stderr, "authkit: %s\n", what);
    abort();
}

void authkit_write(const char *path, const char *text)
{
    char *part = mem_printf("%s.new", path);
    FILE *f = fopen(part, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 || rename(part, path) != 0)
        die("cannot write the user file");
    mem_free(part);
}

char *authkit_file(const char *text)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = mem_printf("%s/postern-auth-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(dir) == NULL)
        die("no folder for the user file");
    char *path = mem_printf("%s/users.json", dir);
    mem_free(dir);
    authkit_write(path, text);
    return path;
}

void authkit_remove(char **path)
{
    (void)unlink(*path);
    *strrchr(*path, '/') = '\0';
    (void)rmdir(*path);
    mem_free(*path);
    *path = NULL;
}

struct settings *authkit_settings(const char *auth, const char *users)
{
    struct settings *s = NULL;
    struct gw_buf problems;
    gw_buf_init(&problems, 65536);
    const struct opt_kinds kinds[OPT_SLOT_COUNT] = {
        [OPT_SLOT_BACKEND] = *backend_kinds(),
        [OPT_SLOT_VERIFIER] = *auth_kinds(),
    };
    char *text = mem_printf("{\"ssh\":{\"host_keys\":[{\"file\":\"/nowhere\"}]},"
                            "\"backends\":{\"m\":{\"type\":\"memory\"}},"
                            "\"auth\":%s,\"users\":%s}",
                            auth, users);
    if (settings_load(NULL, text, kinds, &s, &problems) != GW_OK)
        die(gw_buf_cstr(&problems));
    mem_free(text);
    gw_buf_free(&problems);
    return s;
}

struct gw_buf authkit_blob(const char *line)
{
    struct pubkey k;
    if (pubkey_parse(line, &k, NULL) != GW_OK)
        die("a key of the test is no key");
    return k.blob;
}

void authkit_done(void *arg, struct auth_res *res)
{
    struct authkit_answer *a = arg;
    a->op = NULL;
    a->calls++;
    a->verdict = res->verdict;
    a->id = res->id;
    a->nprompts = res->nprompts;
    snprintf(a->why, sizeof a->why, "%s", res->why == NULL ? "" : res->why);
    snprintf(a->verifier, sizeof a->verifier, "%s", res->verifier == NULL ? "" : res->verifier);
}

static bool answered(void *arg)
{
    const struct authkit_answer *a = arg;
    return a->op == NULL;
}

void authkit_wait(struct loop *l, struct authkit_answer *a)
{
    if (!sync_until(l, answered, a))
        die("no answer");
}
