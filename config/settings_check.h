/* The checks of settings.c's rows that are more than a range: see opt_spec.check. */
#ifndef CONFIG_SETTINGS_CHECK_H
#define CONFIG_SETTINGS_CHECK_H

#include "gateway/base/err.h"

/* An IPv4 or IPv6 address, the latter with a zone if need be, or a host name. member: char *const
 * *. */
enum gw_err settings_check_address(const void *member, struct gw_errmsg *msg);
/* An address, a CIDR or a host name. member: char *const *. */
enum gw_err settings_check_source(const void *member, struct gw_errmsg *msg);
/* An address or a CIDR. member: char *const *. */
enum gw_err settings_check_block(const void *member, struct gw_errmsg *msg);
/* What may follow "SSH-2.0-" (RFC 4253 section 4.2). member: char *const *. */
enum gw_err settings_check_version(const void *member, struct gw_errmsg *msg);
/* An algorithm name as RFC 4251 section 6 has it. member: char *const *. */
enum gw_err settings_check_algorithm(const void *member, struct gw_errmsg *msg);
/* Exactly one of file, pem and env. member: struct settings_host_key. */
enum gw_err settings_check_host_key(const void *member, struct gw_errmsg *msg);
/* Prompts only where keyboard-interactive is offered. member: struct settings_auth. */
enum gw_err settings_check_auth(const void *member, struct gw_errmsg *msg);
/* A path where the output is a file. member: struct settings_log. */
enum gw_err settings_check_log(const void *member, struct gw_errmsg *msg);

#endif
