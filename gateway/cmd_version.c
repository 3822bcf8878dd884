#include <gnu/libc-version.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sysexits.h>
#include <uv.h>

#include "backends/xmllib.h"
#include "gateway/cmd.h"
#include "gateway/cmdline.h"
#include "gateway/io/httplib.h"
#include "gateway/ssh/algorithms.h"
#include "gateway/ssh/sshlib.h"

enum { LIST_MAX = 16 * 1024 };

static const char *build(void)
{
#if defined(POSTERN_SANITIZED)
    return "sanitizers";
#elif defined(__OPTIMIZE__)
    return "optimised";
#else
    return "debug";
#endif
}

static void print_libraries(void)
{
    printf("postern %s\n", POSTERN_VERSION);
    printf("  build     %s, %s %s\n", build(),
#if defined(__clang__)
           "clang",
#else
           "gcc",
#endif
           __VERSION__);
    printf("  libssh    %s\n", sshlib_version());
    printf("  libcurl   %s\n", httplib_version());
    printf("  openssl   %s\n", OpenSSL_version(OPENSSL_VERSION));
    printf("  libuv     %s\n", uv_version_string());
    printf("  jansson   %s\n", jansson_version_str());
    printf("  expat     %s\n", xmllib_version());
    printf("  libc      %s\n", gnu_get_libc_version());
}

static void print_kinds(const char *title, const struct opt_kinds *kinds)
{
    printf("\n%s:", title);
    for (size_t i = 0; i < kinds->n; i++)
        printf(" %s", kinds->v[i].name);
}

int cmd_version(int argc, char **argv)
{
    const struct cmdline_opt opts[] = {{NULL, NULL, NULL}};
    int code = cmdline_parse(argc, argv, opts, NULL);
    if (code != EX_OK)
        return code;
    print_libraries();
    print_kinds("stores", &cmd_kinds()[OPT_SLOT_BACKEND]);
    print_kinds("verifiers", &cmd_kinds()[OPT_SLOT_VERIFIER]);
    printf("\n\nalgorithms, unless the configuration says otherwise:\n");
    for (int cls = 0; cls < ALGORITHM_CLASS_COUNT; cls++) {
        struct gw_buf names;
        algorithms_list((enum algorithm_class)cls, &(struct opt_strs){NULL, 0}, &names);
        printf("  %s: %s\n", algorithms_path((enum algorithm_class)cls), gw_buf_cstr(&names));
        gw_buf_free(&names);
    }
    return EX_OK;
}
