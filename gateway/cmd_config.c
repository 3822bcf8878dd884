#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "gateway/cmd.h"
#include "gateway/cmdline.h"
#include "gateway/ssh/algorithms.h"

enum { MARKDOWN_MAX = 1024 * 1024 };

static int dump(const char *word, json_t *v)
{
    if (v == NULL)
        return cmdline_fail(word, EX_SOFTWARE, "out of memory");
    int bad = json_dumpf(v, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(v);
    return bad != 0 ? EX_IOERR : EX_OK;
}

/* The lists that the file leaves to this build. */
static json_t *with_algorithms(json_t *shown, const struct settings *s)
{
    for (int i = 0; i < ALGORITHM_CLASS_COUNT && shown != NULL; i++) {
        enum algorithm_class cls = (enum algorithm_class)i;
        struct gw_buf text;
        json_t *names = json_array();
        algorithms_list(cls, algorithms_configured(&s->ssh, cls), &text);
        for (const char *p = gw_buf_cstr(&text); *p != '\0';) {
            size_t n = strcspn(p, ",");
            json_array_append_new(names, json_stringn(p, n));
            p += n + (p[n] == ',');
        }
        gw_buf_free(&text);
        const char *key = strrchr(algorithms_path(cls), '.') + 1; /* "ssh.kex" */
        json_object_set_new(json_object_get(shown, "ssh"), key, names);
    }
    return shown;
}

static int print_settings(const char *word, const char *given)
{
    const char *config;
    struct settings *s = NULL;
    int code = cmd_config_path(given, &config);
    if (code == EX_OK)
        code = cmd_load_settings(config, &s);
    if (code == EX_OK)
        code = dump(word, with_algorithms(options_print(settings_table, s), s));
    settings_unref(&s);
    return code;
}

static int print_schema(const char *word)
{
    json_t *schema = options_schema(settings_table, cmd_kinds());
    if (schema != NULL)
        json_object_set_new(schema, "title", json_string("Configuration of postern"));
    return dump(word, schema);
}

static int print_markdown(const char *word)
{
    struct gw_buf text;
    gw_buf_init(&text, MARKDOWN_MAX);
    options_markdown(settings_table, cmd_kinds(), &text);
    int code = text.failed != GW_OK ? cmdline_fail(word, EX_SOFTWARE, "out of memory") : EX_OK;
    fputs(gw_buf_cstr(&text), stdout);
    gw_buf_free(&text);
    return code;
}

int cmd_config(int argc, char **argv)
{
    const char *config = NULL;
    bool print = false;
    bool schema = false;
    bool markdown = false;
    const struct cmdline_opt opts[] = {{"config", &config, NULL},
                                       {"print", NULL, &print},
                                       {"schema", NULL, &schema},
                                       {"markdown", NULL, &markdown},
                                       {NULL, NULL, NULL}};
    int code = cmdline_parse(argc, argv, opts, NULL);
    if (code != EX_OK)
        return code;
    if ((int)print + (int)schema + (int)markdown != 1)
        return cmdline_usage(argv[0], "one of --print, --schema and --markdown is needed");
    if (config != NULL && !print)
        return cmdline_usage(argv[0], "--config goes with --print only");
    if (print)
        return print_settings(argv[0], config);
    return schema ? print_schema(argv[0]) : print_markdown(argv[0]);
}
