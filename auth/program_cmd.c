#include "auth/program_cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/mem.h"

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The first of PATH's folders that has it; NULL. Gives. */
static char *find(const char *name)
{
    const char *path = getenv("PATH");
    if (path == NULL)
        path = "/usr/local/bin:/usr/bin:/bin";
    while (*path != '\0') {
        int n = (int)strcspn(path, ":");
        char *at = mem_printf("%.*s/%s", n, path, name);
        if (n > 0 && is_file(at) && access(at, X_OK) == 0)
            return at;
        mem_free(at);
        path += n;
        path += *path == ':';
    }
    return NULL;
}

enum gw_err program_cmd_check(const char *key, const struct program_cmd *cmd, struct gw_errmsg *msg)
{
    const char *path = cmd->argv[0];
    if (access(path, F_OK) != 0)
        return gw_err_set(msg, GW_CONFIG, "%s: there is no %.200s", key, path);
    if (!is_file(path))
        return gw_err_set(msg, GW_CONFIG, "%s: %.200s is no file", key, path);
    if (access(path, X_OK) != 0)
        return gw_err_set(msg, GW_CONFIG, "%s: %.200s may not be executed: chmod +x?", key, path);
    return GW_OK;
}

enum gw_err program_cmd_new(const char *key, const struct opt_strs *words,
                            const struct opt_map *env, struct program_cmd *out,
                            struct gw_errmsg *msg)
{
    const char *name = words->v[0];
    char *path = strchr(name, '/') != NULL ? mem_strdup(name) : find(name);
    if (path == NULL)
        return gw_err_set(msg, GW_CONFIG,
                          "%s: no program \"%.100s\" in PATH: give the whole path of it", key,
                          name);
    *out = (struct program_cmd){.argv = mem_array(words->n + 1, sizeof(char *)),
                                .env = mem_array(env->n + 1, sizeof(char *))};
    out->argv[0] = path;
    for (size_t i = 1; i < words->n; i++)
        out->argv[i] = mem_strdup(words->v[i]);
    for (size_t i = 0; i < env->n; i++)
        out->env[i] = mem_printf("%s=%s", env->names[i], ((char **)env->v)[i]);
    enum gw_err err = program_cmd_check(key, out, msg);
    if (err != GW_OK)
        program_cmd_free(out);
    return err;
}

static void free_strings(char ***vp)
{
    for (char **v = *vp; v != NULL && *v != NULL; v++)
        mem_free_secret_str(v);
    mem_free(*vp);
    *vp = NULL;
}

void program_cmd_free(struct program_cmd *cmd)
{
    free_strings(&cmd->argv);
    free_strings(&cmd->env);
}

const char **program_cmd_env(const struct program_cmd *cmd, char *const *more, size_t nmore)
{
    size_t n = 0;
    while (cmd->env[n] != NULL)
        n++;
    const char **all = mem_array(n + nmore + 1, sizeof *all);
    for (size_t i = 0; i < n; i++)
        all[i] = cmd->env[i];
    for (size_t i = 0; i < nmore; i++)
        all[n + i] = more[i];
    return all;
}

const char *const *program_cmd_argv(const struct program_cmd *cmd)
{
    return (const char *const *)cmd->argv;
}
